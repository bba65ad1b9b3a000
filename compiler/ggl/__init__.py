"""Galerkin-Gauss-Lobatto variational integrator (Roberts 2021): a study of one motion."""
