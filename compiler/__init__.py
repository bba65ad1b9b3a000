"""What it means: symbols, then arrays. No disk, no screen, no clock."""
