"""The process: switches of JAX, its compile cache, signals."""

YES = "ACTIONRUN_YES"  # the variable that says --yes to this process and to its workers
