"""Send single HTTP requests: client, address checks, decompression."""
