"""Explanation of a study of Langevin paths."""

from __future__ import annotations

from actionrun.compiler.findings import Section
from actionrun.compiler.numerics.paths.basis import BASES

from .channels import FINER
from .equations import convention, langevin_equations
from .minimum_action import ITERATIONS, SHAKEN
from .problem import DENSER, OTHERS, LangevinProblem


def langevin_sections(problem: LangevinProblem) -> tuple[Section, ...]:
    """The sections of `actionrun explain`."""
    return (
        Section("System", _system(problem), langevin_equations(problem.motion)),
        Section("Action", convention(problem.motion)),
        Section("Ends", _ends(problem)),
        Section("Path", _path(problem)),
        Section("Minimisation", _minimisation(problem)),
        Section("What is unique", _unique()),
    )


def _system(problem: LangevinProblem) -> str:
    motion, unit = problem.motion, problem.settings.energy_unit
    each = ", ".join(motion.system.names)
    heat = f"{motion.thermal.heat * unit.scale:.6g} {unit.label}".rstrip()
    kind = "with inertia" if motion.inertial else "overdamped: the mass plays no part"
    beside = "" if motion.gradient else "; a part of the force has no potential"
    return (
        f"Langevin dynamics of {each}, {kind}; k_B T = {heat}, friction "
        f"{motion.thermal.friction:.6g}{beside}."
    )


def _ends(problem: LangevinProblem) -> str:
    if problem.velocities:
        return "Positions and velocities at both ends, from the study, held exactly."
    said = "Positions at both ends, from the study, held exactly"
    if problem.motion.inertial:
        said += (
            "; velocities are free there, so that a motion without noise may join them: "
            "start_velocity and end_velocity give them"
        )
    return f"{said}."


def _path(problem: LangevinProblem) -> str:
    points = problem.settings.path.points
    if problem.free:
        return (
            f"{points} images at equal distances, the duration free: the geometric action, 2 times "
            "the integral of |phi'| |b| - phi' b, along a cubic spline through them. The path is "
            "cut at critical points of the drift that it passes, solved for by Newton's method."
        )
    network = problem.settings.network
    if network is not None:
        layers = "-".join(map(str, network.hidden))
        what = f"A network from time to positions, hidden layers {layers}, {network.activation}"
    else:
        what = f"{points} functions of time for each component: {BASES[problem.kind].words}"
    return f"{what}; the action by {DENSER * points} Gauss nodes of the stretched time."


def _minimisation(problem: LangevinProblem) -> str:
    if problem.free:
        return (
            "The scheme of Heymann and Vanden-Eijnden (2008), the second derivative implicit; at "
            f"most {problem.settings.training.epochs} times {ITERATIONS} iterations, and until no "
            f"image moves. Starts: a straight line, shaken by {SHAKEN:g} of its waves so that a "
            f"saddle of the action is left, and {OTHERS} with random long waves. The error of the "
            "action is told by a path of half as many images."
        )
    steps = (
        "Gauss-Newton with Levenberg's damping" if problem.by_network else
        "Newton's method with Levenberg's damping and the whole Hessian, so that a path at which it"
        " ends is a minimum of the action and no saddle"
    )  # fmt: skip
    starts = "a straight line" if problem.by_network else (
        f"a straight line, and {OTHERS} with random long waves"
    )  # fmt: skip
    return (
        f"{steps}; at most {problem.settings.training.epochs} iterations. Starts: {starts}. The "
        f"error of the action is told by a path of {FINER:g} times as many functions."
    )


def _unique() -> str:
    return (
        "Several paths may be most probable, each in its neighbourhood: those that the starts lead "
        "to are channels, told in order of their action. Of others nothing is known."
    )
