"""How the shipped model is made, from data to weights. Needs torch; nothing of this is part of the package."""
