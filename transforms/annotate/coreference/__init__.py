"""Who a pronoun refers to."""
