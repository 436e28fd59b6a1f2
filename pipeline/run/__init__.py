"""Run batch pipelines on an engine, with progress reports, signals and worker processes."""
