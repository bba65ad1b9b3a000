"""What the kind adds to the language."""
