"""Export the tables of the lake to a DuckDB file, to BigQuery, or to Iceberg tables.

Each target follows the manifests: exporting again changes nothing if no run changed, and if runs were replaced,
reprocessed, compacted or forgotten, the target gets the new rows in place of the old ones.
"""
