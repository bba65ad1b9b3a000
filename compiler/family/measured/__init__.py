"""Fits of measured motions: settings, noise, starting points, goodness of fit."""
