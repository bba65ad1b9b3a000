"""Numbers for people: rounded as their uncertainty allows, never as if they were exact."""

from __future__ import annotations

import math


def brief(value: object, digits: int = 4) -> str:
    """A number with a few digits: 0.001234, 1.234e-05, 12 345; other things as they are."""
    match value:
        case None:
            return "–"
        case bool() | str():
            return str(value)
        case int():
            return f"{value:,}".replace(",", " ") if abs(value) >= 10_000 else str(value)
        case float() if not math.isfinite(value):
            return str(value)
        case float() if value == int(value) and abs(value) < 1e6:
            return brief(int(value))
        case float():
            return f"{value:.{digits}g}"
        case _:
            return str(value)


def with_error(value: float | None, std: float | None) -> str:
    """A value with its standard deviation, two digits of which are shown: "6.2204 ± 0.0012"."""
    if value is None:
        return "not determined"
    if std is None or not math.isfinite(std) or not math.isfinite(value):
        return brief(float(value), 6)
    if std <= 0:
        return f"{value:.12g}"
    size = max(abs(value), std)
    if std < 1e-14 * size:
        return f"{value:.15g} ± {std:.1e}"
    if 1e-4 <= size < 1e6:
        decimals = min(17, max(0, 1 - math.floor(math.log10(std))))
        spread = f"{std:.{decimals}f}" if decimals <= 8 else f"{std:.1e}"
        return f"{value:.{decimals}f} ± {spread}"
    power = math.floor(math.log10(size))
    decimals = min(17, max(0, power + 1 - math.floor(math.log10(std))))
    scale = 10.0**power
    return f"({value / scale:.{decimals}f} ± {std / scale:.{decimals}f})e{power:+03d}"


def duration(seconds: float | None) -> str:
    """Seconds for people: 0.42 s, 12 s, 3 min 20 s, 2 h 05 min."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    if seconds < 10:
        return f"{seconds:.2g} s" if seconds >= 0.001 else f"{seconds * 1000:.2g} ms"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def speed(rate: float | None, unit: str = "steps") -> str:
    """Steps a second for people: 850/s, 12.3k/s; slow ones as seconds a step."""
    if not rate:
        return ""
    if rate < 0.5:
        return f"{1 / rate:.3g} s a {unit.removesuffix('s')}"
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if rate >= factor:
            return f"{rate / (1e3 if letter == 'k' else factor):.3g}{letter}/s"
    return f"{rate:.3g}/s" if rate < 100 else f"{rate:.0f}/s"
