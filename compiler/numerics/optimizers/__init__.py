"""Optimizers: nonlinear least squares, Gauss-Newton and L-BFGS."""
