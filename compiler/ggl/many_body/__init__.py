"""The integrator for many bodies: lowering, charges, constraints and what is said of them."""
