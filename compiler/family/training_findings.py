"""The examination of a trained network: unseen systems, named cases, refinement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from actionrun.compiler.findings import Array, Check, Equation, Findings, Table
from actionrun.compiler.numerics.inference.encoder import Encoder
from actionrun.compiler.numerics.inference.population import Population
from actionrun.compiler.numerics.inference.training import Progress
from actionrun.compiler.numerics.optimizers.levenberg_marquardt import covariance
from actionrun.compiler.numerics.sharding import shard_batch
from actionrun.compiler.program import Tell
from actionrun.compiler.symbolic.equations import numeric_equations, symbolic_equations
from actionrun.compiler.symbolic.identifiability import Identifiability
from actionrun.compiler.symbolic.lagrangian_system import LagrangianSystem
from actionrun.compiler.symbolic.vocabulary import Vocabulary

from .cramer_rao import beside_refinement, uncertainty, uncertainty_checks, uncertainty_table
from .evaluation import (
    EvaluationBatch,
    evaluate,
    named_cases,
    population_identifiability,
    refinement,
    select_systems,
)
from .figures import case_figure, error_figure
from .misfit_profiles import misfit_profile
from .settings import Settings
from .train import TEST_KEY, Training

ROUND_OFF = 1e-13  # relative noise that even a noise-free motion has, many roundings later


@dataclass(frozen=True)
class TrainingReport:
    """The report of a training (see `program.Reported`)."""

    training: Training

    def __call__(self, state: Progress, samples: Mapping[str, np.ndarray], tell: Tell) -> Findings:
        training, encoder = self.training, self.training.encoder(state)
        key = jax.random.fold_in(training.key, TEST_KEY)
        return _findings(
            training.settings, training.symbolic, training.population, encoder, key, tell
        )


def _findings(
    of: Settings,
    symbolic: LagrangianSystem,
    population: Population,
    encoder: Encoder,
    key: jax.Array,
    tell: Tell,
) -> Findings:
    names = [c.name for c in symbolic.coefficients]
    keys = jax.random.split(key, 3)
    metrics: dict[str, float | int] = {"systems": of.systems}
    refines = of.refines
    named, count = len(of.cases), of.systems
    cases = test = None
    if named + count:
        tell("examine", 0, named + count, {})
        parts = [named_cases(of, symbolic, population)] if named else []
        if count:
            c, q, rate = population.draw(keys[0], count)
            parts.append((c, q, population.momenta(c, q, rate)))
        c, q, p = (jnp.concatenate(x, axis=1) for x in zip(*parts, strict=True))
        c, q, p = shard_batch(c), shard_batch(q), shard_batch(p)
        whole = evaluate(population, encoder, refinement(of, population), c, q, p, keys[1])
        cases = select_systems(whole, slice(0, named)) if named else None
        test = select_systems(whole, slice(named, None)) if count else None
        tell("examine", named + count, named + count, {})
    beside = None
    if test is not None:
        metrics |= _metrics(population, names, test, refines)
        if test.truth is not None and refines:
            metrics |= uncertainty(names, test, test.truth, population.noise)
            beside = beside_refinement(names, test)
            metrics |= beside[0]
    known = population_identifiability(symbolic, population, names, keys[0])
    return Findings(
        metrics=metrics,
        equations=_equations(refines, symbolic, population, names, cases),
        extra={
            "cases": [] if cases is None else _case_list(names, cases),
            "identifiability": known.data(),
        },
        summary=_summary(names, metrics, cases, known, refines),
        arrays=_arrays(symbolic.words, names, test, refines),
        figures=_figures(symbolic.words, population, names, cases, test, refines),
        tables=()
        if test is None
        else (
            *_tables(names, metrics, population.noise, refines),
            *([beside[1]] if beside else ()),
        ),
        checks=(*_checks(names, metrics, known), *([beside[2]] if beside else ())),
    )


def _relative(estimate: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return np.abs(estimate - truth) / np.abs(truth)


def _metrics(
    population: Population, names: list[str], test: EvaluationBatch, refines: bool
) -> dict[str, float]:
    """Errors over the unseen systems, of the network and, where there is one, after refinement
    (runs.md)."""
    c, network = np.asarray(test.c), np.asarray(test.network)
    refined = np.asarray(test.fit.x)[: len(c)]
    metrics: dict[str, float] = {}
    largest = np.abs(c).max(axis=0)
    for k, name in enumerate(names):
        there = c[k] != 0
        error = _relative(network[k, there], c[k, there])
        metrics[f"error_median.{name}"] = float(np.median(error))
        metrics[f"error_p95.{name}"] = float(np.percentile(error, 95))
        if refines:
            again = _relative(refined[k, there], c[k, there])
            metrics[f"refined_error_median.{name}"] = float(np.median(again))
            metrics[f"refined_error_p95.{name}"] = float(np.percentile(again, 95))
            metrics[f"refined_error_max.{name}"] = float(np.max(again))
        if not there.all():
            gone = ~there
            metrics[f"zero_error_max.{name}"] = float(
                np.max(np.abs(network[k, gone]) / largest[gone])
            )
            if refines:
                metrics[f"refined_zero_error_max.{name}"] = float(
                    np.max(np.abs(refined[k, gone]) / largest[gone])
                )
    miss = np.asarray(test.network_series - test.series)
    n = len(np.asarray(test.q))
    for place, variable in enumerate(population.variables):
        part = miss[:, place * n : (place + 1) * n]
        each = np.sqrt(np.mean(part**2, axis=(0, 1)))
        metrics[f"rms_{variable}_median"] = float(np.median(each))
        metrics[f"rms_{variable}_pooled"] = float(np.sqrt(np.mean(each**2)))
    if not refines:
        return metrics
    off = np.max(np.abs(refined - c), axis=0) / largest
    metrics["refined_within_1e-6"] = float(np.mean(off <= 1e-6))
    metrics["refined_share"] = float(np.mean(np.asarray(test.fit.converged)))
    metrics["weak_form_share"] = float(np.mean(np.asarray(test.by_weak_form)))
    metrics["refinement_iterations"] = int(test.fit.iterations)
    return metrics


def _case_list(names: list[str], cases: EvaluationBatch) -> list[dict[str, Any]]:
    def by_name(column: np.ndarray) -> dict[str, float]:
        return {name: float(x) for name, x in zip(names, column, strict=False)}

    c, network, refined = (np.asarray(x) for x in (cases.c, cases.network, cases.fit.x))
    return [
        {
            "truth": by_name(c[:, i]),
            "network": by_name(network[:, i]),
            "refined": by_name(refined[:, i]),
        }
        for i in range(c.shape[1])
    ]


def _equations(
    refines: bool,
    symbolic: LagrangianSystem,
    population: Population,
    names: list[str],
    cases: EvaluationBatch | None,
) -> tuple[Equation, ...]:
    """The family in symbols, and each case with its refined numbers, or else the network's."""
    result = list(symbolic_equations(symbolic))
    if cases is None:
        return tuple(result)
    samples = cases.series.shape[0] * cases.series.shape[1]
    starts = len(cases.fit.x) > len(names)
    bound = 2 * len(symbolic.constraints) if starts else 0  # of a start, by the constraints
    free = max(samples + bound - len(cases.fit.x), 1)
    variance = jnp.maximum(cases.fit.cost / free, ROUND_OFF**2)
    if population.noise:
        variance = jnp.full_like(cases.fit.cost, population.noise**2)
    spread = np.asarray(covariance(cases.fit, variance))
    refined = np.asarray(cases.fit.x)
    for i in range(refined.shape[1]):
        block = spread[: len(names), : len(names), i]
        values: dict[str, tuple[float | None, float | None]] = {
            name: (float(refined[k, i]), float(np.sqrt(max(block[k, k], 0.0))) if refines else None)
            for k, name in enumerate(names)
        }
        spread_of = block if refines else None
        for equation in numeric_equations(symbolic, values, spread_of, names if refines else ()):
            title = f"Case {i + 1}: {equation.name}"
            result.append(replace(equation, name=title))
    return tuple(result)


def _summary(names, metrics, cases, known: Identifiability, refined: bool):
    lines = []
    if metrics["systems"]:
        for name in names:
            text = (
                f"median {metrics[f'error_median.{name}']:.1e}, "
                f"95 % below {metrics[f'error_p95.{name}']:.1e}"
            )
            if refined:
                text += f"; refined: largest {metrics[f'refined_error_max.{name}']:.1e}"
            lines.append((f"error of {name}", text))
        lines.append(("unseen systems", f"{metrics['systems']}"))
    if cases is not None:
        for i, case in enumerate(_case_list(names, cases)):
            said = ", ".join(f"{n} = {case['network'][n]:.5g}" for n in names)
            floor = 1e-12 * max(abs(x) for x in case["refined"].values())
            then = ", ".join(
                f"{n} = {x if abs(x) > floor else 0.0:.10g}" for n, x in case["refined"].items()
            )
            lines.append((f"case {i + 1}, network", said))
            if refined:
                lines.append((f"case {i + 1}, refined", then))
    lines.append(("identifiability", known.text))
    return tuple(lines)


def _tables(names: list[str], metrics, noise: float, refines: bool) -> tuple[Table, ...]:
    errors = _table(names, metrics, refines)
    if f"coverage.{names[0]}" not in metrics:
        return (errors,)
    return errors, uncertainty_table(names, metrics, noise)


def _brief(x: float | None) -> float | None:
    """An error to three digits, so that six columns fit a page."""
    return None if x is None else float(f"{x:.3g}")


def _table(names: list[str], metrics, refines: bool) -> Table:
    columns = {"error_median": "median", "error_p95": "95 %", "zero_error_max": "where zero"}
    if refines:
        columns |= {
            "refined_error_median": "refined median",
            "refined_error_p95": "refined 95 %",
            "refined_error_max": "refined largest",
        }
    rows = tuple(
        (name, *(_brief(metrics.get(f"{key}.{name}")) for key in columns)) for name in names
    )
    caption = f"Relative errors of the coefficients over {metrics['systems']} unseen systems."
    return Table("errors", caption, ("coefficient", *columns.values()), rows)


def _arrays(
    words: Vocabulary, names: list[str], test: EvaluationBatch | None, refines: bool
) -> dict[str, Array]:
    if test is None:
        return {}
    result = {}
    for k, name in enumerate(names):
        unit = words.unit(name)
        found_by = {"truth": test.c, "network": test.network}
        if refines:
            found_by["refined"] = test.fit.x
        for of, values in found_by.items():
            long = f"{name} of the unseen systems: {of}"
            result[f"{name}_{of}"] = Array(np.asarray(values[k]), ("system",), unit, long)
    return result


def _figures(words: Vocabulary, population: Population, names, cases, test, refines: bool):
    figures = []
    if cases is not None:
        for i in range(cases.c.shape[1]):
            figures.append(
                case_figure(
                    words,
                    i,
                    float(population.h) * population.every * np.arange(cases.series.shape[0]),
                    population.variables,
                    np.asarray(cases.series[..., i]),
                    np.asarray(cases.network_series[..., i]),
                    np.asarray(cases.refined_series[..., i]) if refines else None,
                )
            )
            here = (np.asarray(x)[:, i] for x in (cases.c, cases.q, cases.p))
            figures.append(misfit_profile(population, names, i, *here))
    if test is not None:
        refined = np.asarray(test.fit.x)[: len(names)] if refines else None
        bare = None if test.bare is None else np.asarray(test.bare)
        of = np.asarray(test.c), np.asarray(test.network), refined, bare
        figures.append(error_figure(names, *of))
    return tuple(figures)


def _checks(names: list[str], metrics, known: Identifiability) -> tuple[Check, ...]:
    checks = [Check("identifiability", known.rank == known.of, known.advice)]
    if metrics["systems"]:
        if share := metrics.get("refined_share"):
            text = f"{100 * share:.1f} % of the refinements converged"
            checks.append(Check("refinement", share > 0.99, text))
        worst = max(metrics[f"error_p95.{name}"] for name in names)
        text = f"19 of 20 unseen systems are named within {worst:.1e} by the network alone"
        checks.append(Check("unseen systems", worst < 0.1, text))
        if f"coverage.{names[0]}" in metrics:
            checks += uncertainty_checks(names, metrics)
    return tuple(checks)
