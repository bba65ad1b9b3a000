"""Equinox modules and array code, the same for every physics."""
