"""Rules across tables: what a study must hold beyond the types of its values."""
