"""Committed data: manifests, transactions, maintenance."""
