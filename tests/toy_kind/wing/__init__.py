"""The wing of the compiler."""
