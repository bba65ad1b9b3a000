"""Onsager-Machlup paths of least action between two states."""
