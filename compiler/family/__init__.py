"""Which member of a family of Lagrangians made a motion: training, fits and their findings."""
