"""Rows to Parquet files."""
