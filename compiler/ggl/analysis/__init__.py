"""[analysis]: what a motion says beside itself, by the derivative of its own steps."""
