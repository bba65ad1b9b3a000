"""Inference of coefficients from motions: encoders, losses, weak form, posterior."""
