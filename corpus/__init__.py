"""News articles of our own with gold names and quotations (CC BY 4.0)."""
