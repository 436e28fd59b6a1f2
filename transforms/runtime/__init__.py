"""Provide polling sources, metrics and draining for the pipeline's processes."""
