"""Formulas as values: the text of an equation read back into SymPy, its function of arrays, its
source code. The language's own parser reads; no text is evaluated.
"""
