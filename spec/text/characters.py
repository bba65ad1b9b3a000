"""Letters and signs beyond ASCII that a formula may hold, and what they stand for."""

from __future__ import annotations

GREEK_WORDS = [
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa",
    "lambda", "mu", "nu", "xi", "omicron", "pi", "rho", "sigma", "sigma", "tau",
    "upsilon", "phi", "chi", "psi", "omega", "Gamma", "Delta", "Theta", "Lambda", "Xi",
    "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega", "epsilon", "theta", "phi", "rho",
    "pi",
]  # fmt: skip
GREEK = dict(zip("αβγδεζηθικλμνξοπρςστυφχψωΓΔΘΛΞΠΣΥΦΨΩϵϑϕϱϖ", GREEK_WORDS, strict=True)) | {
    "µ": "mu", "ℏ": "hbar", "ħ": "hbar", "ℓ": "l"
}  # fmt: skip
SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-", strict=True))
PRIMES = {"'": 1, "’": 1, "′": 1, "″": 2, "‴": 3}
DOTS = {"\u0307": 1, "\u0308": 2, "\u20db": 3}  # combining: q̇, q̈
SIGNS = {"−": "-", "–": "-", "≤": "<=", "≥": ">="}
