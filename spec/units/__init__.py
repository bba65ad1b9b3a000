"""Units of measurement, and the dimension of every expression."""
