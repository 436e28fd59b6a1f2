"""Write rows to Parquet files."""
