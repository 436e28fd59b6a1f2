"""One HTTP request: client, address checks, decompression."""
