"""What happens: runs, folders, screens."""
