"""Files of a run folder: written atomically, locked, checked when read."""
