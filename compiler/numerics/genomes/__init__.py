"""Networks whose structure is a genome: evaluation and fits of many at once."""
