"""Many bodies for the laws: studies of a line or two, places without overlaps."""

import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.numerics.molecular import molecular_dynamics as md
from actionrun.compiler.om.build import system_settings
from actionrun.compiler.om.particle_system import ParticleSystem, particle_system
from actionrun.spec import loads

LENNARD_JONES = "4*((1/r)^12 - (1/r)^6)"
RUN = """
[ends]
from = "md"
given = ["positions", "velocities"]
temperature = 0.81
md = { dt = 0.001, equilibration = 20.0 }

[path]
duration = 0.5
points = 32
"""
FILES = """
[ends]
start = "start.xyz"
end = "end.xyz"

[path]
duration = 0.5
points = 32
"""


def fluid(
    n, pair=LENNARD_JONES, *, dimension=3, cutoff=None, density=None, more=""
) -> ParticleSystem:
    """Bodies of an om study; in a periodic box where there is a density."""
    box = "" if density is None else f"box = {{ density = {density!r} }}\n"
    ends = FILES if density is None else RUN
    limit = "" if cutoff is None else f"cutoff = {cutoff!r}\n"
    text = f'study = "om"\n[system]\nparticles = {n}\ndimension = {dimension}\n'
    return particle_system(
        system_settings(loads(f'{text}pair = "{pair}"\n{limit}{box}{more}{ends}'))
    )


def few(system: str) -> ParticleSystem:
    """A system of coordinates x, y as bodies()."""
    ends = "[ends]\nstart = { x = -1.0, y = 0.0 }\nend = { x = 1.0, y = 0.0 }\n"
    path = "[path]\nduration = 1.0\npoints = 8\n"
    return particle_system(
        system_settings(
            loads(f'study = "om"\n[system]\ncoordinates = ["x", "y"]\n{system}\n{ends}{path}')
        )
    )


def equilibrated(verlet, q, kT, dt, duration, seed):
    """The lattice q as a fluid in thermal motion."""
    schedule = md.Equilibration(verlet, kT, dt, round(duration / dt), jax.random.key(seed))
    return schedule.advanced(schedule.start(q), 0, schedule.steps)


def places(n, images=1, dimension=3, spacing=1.1, seed=0):
    """Places (dimension, n, images) around a lattice, a little different in each image."""
    rng = np.random.default_rng(seed)
    side = int(np.ceil(n ** (1 / dimension) - 1e-9))
    grid = np.stack(np.meshgrid(*[np.arange(side)] * dimension, indexing="ij"))
    sites = grid.reshape(dimension, -1)[:, :n, None] * spacing
    noise = 0.06 * rng.normal(size=(dimension, n, 1)) + 0.02 * rng.normal(size=(1, n, images))
    return jnp.asarray(sites + noise)
