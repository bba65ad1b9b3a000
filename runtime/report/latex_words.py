r"""The LaTeX that an equation of ours may hold: commands that set mathematics, and nothing else.

TeX is a programming language that reads and writes files. The equations of a run folder may be a
stranger's, so that what is passed on of them is known word by word: no list of bad commands could
be complete.
"""

from __future__ import annotations

import re

# What SymPy's printer and our own write: letters, functions, accents, relations, brackets, spaces.
MATHEMATICS = """
alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa varkappa lambda mu
nu xi pi varpi rho varrho sigma varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta
Lambda Xi Pi Sigma Upsilon Phi Psi Omega hbar ell nabla partial infty prime emptyset sin cos tan
cot sec csc arcsin arccos arctan sinh cosh tanh coth ln log exp min max lim det arg sup inf Re
Im sum prod int iint iiint iiiint oint frac tfrac dfrac binom sqrt root operatorname mathrm
mathbf mathcal mathbb mathfrak mathscr mathsf mathtt mathit boldsymbol text displaystyle
textstyle limits nolimits bar hat tilde vec dot ddot dddot ddddot acute grave breve check
mathring overline underline widehat widetilde overset underset substack left right middle big
Big bigg Bigg bigl bigr Bigl Bigr langle rangle lceil rceil lfloor rfloor lvert rvert lVert
rVert vert Vert cdot cdots ldots dots times otimes circ ast pm mp div neq ne leq le geq ge lt gt
approx sim simeq equiv propto in not neg wedge vee cap cup setminus bmod mod to mapsto
rightarrow leftarrow Rightarrow Leftrightarrow Longrightarrow longrightarrow dagger triangle
quad qquad nonumber nobreak mathrel mid parallel perp star textasciitilde textasciicircum
textbackslash textbar textless textgreater begin end
"""
WORDS = frozenset(MATHEMATICS.split())
SIGNS = frozenset(r",;:! {}|\_%#&$")  # after a backslash
TABLES = "aligned split gathered cases array matrix pmatrix bmatrix vmatrix smallmatrix"
ENVIRONMENTS = frozenset(TABLES.split())
TOKEN = re.compile(r"\\([A-Za-z]+|.|$)|([{}])|([%#$~\"@`]|\^\^)", re.DOTALL)
ENVIRONMENT = re.compile(r"\\(?:begin|end)(?:\{([a-z]+)\})?")
LONGEST = 1_000_000


def foreign(latex: str) -> str | None:
    """What no equation of ours has: a command, a sign, an open brace; None where all is ours."""
    if len(latex) > LONGEST:
        return f"{len(latex)} letters"
    if odd := next((c for c in latex if not c.isprintable() and c != "\n"), None):
        return ascii(odd)
    depth = 0
    for match in TOKEN.finditer(latex):
        command, brace, sign = match.groups()
        if sign:
            return sign
        if command is not None and command not in (WORDS if command[:1].isalpha() else SIGNS):
            return f"\\{command[:40]}"
        depth += {"{": 1, "}": -1}.get(brace or "", 0)
        if depth < 0:
            return "a } without a {"
    if depth:
        return "a { without a }"
    for match in ENVIRONMENT.finditer(latex):
        if match[1] not in ENVIRONMENTS:
            return match.group()[:40]
    return None
