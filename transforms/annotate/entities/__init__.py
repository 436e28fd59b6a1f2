"""Find named entities: mentions, types, clusters and identifiers."""
