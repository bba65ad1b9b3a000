"""Parsimonious neural networks: genomes that evolve into maps and laws."""
