"""The kinds of study: one model each, and the registry of them."""
