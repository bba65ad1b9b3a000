"""Every study of studies/ made short: `--set` words that keep every stage and leave few steps."""

from __future__ import annotations

from pathlib import Path

TOP = Path(__file__).parents[2]

FAMILY = ("training.steps=200", "training.batch=64", "test.systems=10")
LIQUID = ("system.particles=32", "system.cutoff=1.7*sigma", "path.points=8",
          "ends.md.equilibration=1.0")  # fmt: skip
CLUSTER = ("path.points=11",)
PNN = ("search.population=10", "search.generations=3")
MAPS = (*PNN, "data.points=200")
SHORT: dict[str, tuple[str, ...]] = {
    "dho_ggl": ("integrator.steps=20000",),
    "poynting_robertson": ("integrator.steps=20000",),
    "energy_error": ("integrator.steps=20000",),
    "pendulum_constraint": (),
    "kepler_transformed": (),
    "outer_solar_system": ("integrator.steps=1000",),
    "damped_chain": ("integrator.steps=200",),
    "swinging_chain": ("integrator.steps=200",),
    "dho_family": FAMILY,
    "dho_family_noise": FAMILY,
    "dho_family_paper": FAMILY,
    "dho_family_free": FAMILY,
    "dho_family_losses": (
        *FAMILY,
        'sweep={"training.loss"=["mae"], "training.embedding"=[[], [["c2", "c3"]]]}',
    ),
    "family_coupled": FAMILY,
    "family_double_pendulum": FAMILY,
    "family_duffing": FAMILY,
    "family_kepler_drag": FAMILY,
    "family_magnetic": FAMILY,
    "family_pendulum": FAMILY,
    "family_pendulum_cartesian": FAMILY,
    "earth_orbit": (),
    "double_well_path": (),
    "lj_liquid_32": LIQUID,
    "lj_liquid": LIQUID,
    "lj_liquid_256": LIQUID,
    "lj_liquid_sizes": (
        "path.points=8",
        "ends.md.equilibration=1.0",
        'sweep={"system.particles"=[108, 120]}',
    ),
    "lj_liquid_2d": ("path.points=8", "ends.md.equilibration=1.0"),
    "lj_liquid_paper": (*LIQUID, "training.epochs=20"),
    "lj13": CLUSTER,
    "morse13": CLUSTER,
    "lj2d_hop": CLUSTER,
    "lj38": (*CLUSTER, "refine.alignments=1", "refine.searches=100"),
    "melting": PNN,
    "melting_paper": (*PNN, 'sweep={"search.parsimony"=[0.03, 1.0]}'),
    "law_recovery": PNN,
    "verlet_pnn": MAPS,
    "verlet_pnn_2d": MAPS,
    "verlet_pnn_paper": (*MAPS, 'sweep={"search.parsimony"=[0.3, 3.0]}'),
    "damped_pnn": MAPS,
}

MEASURED = {"oscillator_measured": "linear_oscillator.csv", "pendulum_measured": "pendulum.csv"}
"""Studies of motions that are not ours to ship: their file in ../shared/data."""


def missing(studies: Path = TOP / "studies") -> set[str]:
    """Studies that stand in the folder and not here, or here and not there."""
    return {path.stem for path in studies.glob("*.toml")} ^ {*SHORT, *MEASURED}
