"""The law itself, out of a library of terms: which of them, and with which coefficients."""
