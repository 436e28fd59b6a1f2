"""Takes what the lake's manifests name to where analysts work: a DuckDB file, BigQuery, Iceberg tables.

Each target follows the manifests: publishing again does nothing where nothing changed, and where runs were made anew,
compacted or forgotten in part, the target holds just the rows that the lake holds then.
"""
