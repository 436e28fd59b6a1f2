"""Glue to Beam and to the process: polling sources, metrics, drain."""
