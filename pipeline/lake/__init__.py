"""Read and change the manifests and files of a lake; the modules in `query` only read."""
