"""Sweeps: one study run over lists, seeds, random draws or a guided search."""
