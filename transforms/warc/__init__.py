"""Read and write web archives (WARC): plain functions and Beam transforms."""
