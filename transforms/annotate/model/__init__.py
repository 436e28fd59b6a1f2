"""The neural network: word pieces, tagging, attribution."""
