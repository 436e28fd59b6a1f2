"""Tag texts with the neural network: word pieces, tags of entities and quotations, attributions."""
