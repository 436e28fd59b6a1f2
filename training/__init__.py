"""Train the shipped model, from data to the model file. It needs torch and is not part of the package."""
