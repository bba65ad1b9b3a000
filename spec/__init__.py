"""What may be written: words and numbers, no mathematics."""
