"""The process: switches of JAX, its compile cache, signals."""

import os

YES = "ACTIONRUN_YES"  # the variable that says --yes to this process and to its workers


def is_output_allowed(size: int) -> bool:
    """Whether the environment allows a run of that many bytes."""
    return os.environ.get(YES) == "1"
