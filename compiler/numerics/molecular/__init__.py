"""Molecular simulation: potentials, dynamics, stationary points and minimum-energy paths."""
