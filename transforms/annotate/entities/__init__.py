"""Find named entities: mentions, types, clusters, known identifiers."""
