"""Paths between two states: bases, actions and their minimization."""
