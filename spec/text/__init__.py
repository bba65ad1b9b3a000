"""The ground: the text of a study, its places, and faults that point at them."""
