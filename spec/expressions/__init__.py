"""Expressions: text to syntax trees, names, shapes; parsed by our own grammar, never evaluated."""
