"""What can be done with pencil and paper: SymPy in, SymPy or lowered functions out."""
