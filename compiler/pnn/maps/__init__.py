"""Maps that move a particle by one step, and what is proved of them."""
