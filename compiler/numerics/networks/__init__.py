"""Neural networks and their activations."""
