"""Global switches, set before any test imports JAX: the same as the command line's."""

from actionrun.runtime.cli import set_switches
from hypothesis import settings

set_switches()

# No deadlines: the first example of a test pays for compiling. Derandomised: the same every time.
settings.register_profile("actionrun", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("actionrun")
