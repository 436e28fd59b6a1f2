"""Named entities: mentions, types, clusters."""
