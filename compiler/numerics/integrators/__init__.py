"""Integrators of equations of motion: variational, explicit, and what is asked of their steps."""
