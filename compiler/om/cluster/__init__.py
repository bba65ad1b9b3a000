"""Transformations of clusters: stationary points, minimax paths and barriers."""
