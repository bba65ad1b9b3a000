"""The points of a sweep: runs of their own, and what they say together."""
