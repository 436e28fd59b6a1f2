"""The committed data of a lake: everything that reads or changes manifests and files; `query` only reads."""
