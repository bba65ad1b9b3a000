"""Laws from tables of measurements, with units."""
