"""Data of a study: tables and structures."""
