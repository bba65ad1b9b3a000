"""Mechanics of many bodies given by sums over bodies and pairs, and their integrator."""
