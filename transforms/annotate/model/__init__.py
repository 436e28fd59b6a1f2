"""Tag texts with the neural network: word pieces, entity and quotation tags, attributions."""
