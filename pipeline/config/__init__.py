"""The configuration of a run: its models, loading and checks; nothing here runs a pipeline."""
