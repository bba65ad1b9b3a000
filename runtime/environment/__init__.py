"""The process: switches of JAX, its compile cache, signals."""
