"""Stages of Onrecord: plain functions, and the Beam transforms that call them.

Importing this package does not import Beam; each stage has its transforms in a module ``transform``.
"""
