"""Other methods beside the integrator: error curves and work against precision."""
