"""What the parser says when a formula goes wrong, each with the way out."""

from __future__ import annotations

from actionrun.spec.text.source import nearest
from actionrun.spec.text.span import Span

from .errors import ExpressionFault
from .lexer import Token
from .syntax_tree import FUNCTIONS, Node

RELATION_TOKENS = ("=", "==", "<", "<=", ">", ">=", "!=")
USUAL = {  # what other languages call a function
    "ln": "log", "cosine": "cos", "sine": "sin", "tangent": "tan", "root": "sqrt", "arcsin": "asin",
    "arccos": "acos", "arctan": "atan", "arctan2": "atan2", "fabs": "abs", "length": "norm",
}  # fmt: skip


class Complaints:
    """The faults of a parser that has read `tokens` up to `at`."""

    expression: str
    tokens: list[Token]
    at: int

    @property
    def next(self) -> Token:
        return self.tokens[self.at]

    def spelling(self, span: Span) -> str:
        return self.expression[span.start : span.stop]

    def misplaced_relation(self, token: Token) -> ExpressionFault:
        if token.kind in ("=", "=="):
            before = self.expression[: token.span.start].strip()
            short = len(before) <= 3 and before.isidentifier()
            return ExpressionFault(
                "expression.equation", "an expression is wanted here, not an equation",
                Span(self.tokens[0].span.start, token.span.stop) if short else token.span,
                f"leave out {before} =" if short
                else "write one side only; an equation between coordinates goes to constraints",
            )  # fmt: skip
        return ExpressionFault(
            "expression.relation", "a comparison has no meaning here", token.span,
            'inequalities go to constraints = ["c1 > 0"]',
        )  # fmt: skip

    def unclosed(self, opening: Token, closing: str) -> ExpressionFault:
        token = self.next
        if token.kind in ("end", ")", "|", "]"):
            what = {")": "parenthesis", "|": "bar"}[closing]
            return ExpressionFault(
                "expression.unclosed", f"this {what} is never closed", opening.span,
                f"add the {closing}",
            )  # fmt: skip
        return self.unexpected(token)

    def no_function(self, token: Token) -> ExpressionFault:
        word = token.word
        close = USUAL.get(word) or nearest(word, [*FUNCTIONS, "sum"]) if len(word) > 1 else None
        if word.startswith("_") or len(word) > 20:
            close = None
        hint = f"if {word} is a quantity, write {word}*(...)"
        if self.next.kind == "name" and self.next.word == "t":
            close = None
            hint = f"write {word}; one step later, {word}(t+dt), is an output of [search] only"
        elif close:
            hint = None
        elif word == "pow":
            hint = "write a^b"
        elif len(word) > 1:
            hint += "\nthe functions are " + " ".join(FUNCTIONS)
        return ExpressionFault(
            "expression.function", f"there is no function {word}", token.span, hint, close
        )

    def no_implicit_product(self, left: Node, token: Token) -> ExpressionFault:
        before = self.tokens[self.at - 1]
        start = before.span.start if before.kind in ("number", "name") else left.span.start
        first = self.spelling(Span(start, before.span.stop)).strip()
        second = self.spelling(token.span) if token.kind in ("number", "name") else token.kind
        if token.kind in ("(", "|"):
            second += "..." + {"(": ")", "|": "|"}[token.kind]
        if token.kind == "name" and self.tokens[self.at + 1].kind == "(":
            second += "(...)"
        if before.kind == "name" and before.word in FUNCTIONS and token.kind in ("name", "number"):
            return ExpressionFault(
                "expression.function", f"the argument of {before.word} stands in parentheses",
                Span(start, token.span.stop), f"write {before.word}({second})",
            )  # fmt: skip
        if len(first) > 20:
            first = "..." + first[-8:] if before.kind == ")" else first[-8:]
        return ExpressionFault(
            "expression.product", "an operator is missing here", Span(start, token.span.stop),
            f"write {first}*{second}",
        )  # fmt: skip

    def no_operand(self, token: Token) -> ExpressionFault:
        before = self.tokens[self.at - 2] if self.at > 1 else None
        if token.kind == "end":
            at = before.span if before else token.span
            return ExpressionFault("expression.end", "the formula ends too early", at)
        if token.kind == "prime":
            return ExpressionFault(
                "expression.derivative", "a prime has nothing to differentiate", token.span,
                "it follows a coordinate, as in q'; a formula has no quotation marks inside",
            )  # fmt: skip
        if token.kind == "[":
            return ExpressionFault(
                "expression.index", "a list is no expression", token.span,
                "a component of a vector is q[1]; give lists outside the quotation marks",
            )  # fmt: skip
        if token.kind == ")" and before is not None and before.kind == "(":
            return ExpressionFault("expression.operand", "nothing in the parentheses", token.span)
        if token.kind == "//":
            return ExpressionFault("expression.operand", "write / for a quotient", token.span)
        word = self.spelling(token.span)
        after = f" after {self.spelling(before.span)}" if before is not None else ""
        return ExpressionFault(
            "expression.operand", f"an operand is missing before {word}{after}"
            if before is None else f"an operand is missing between {self.spelling(before.span)} "
            f"and {word}", token.span,
        )  # fmt: skip

    def unexpected(self, token: Token) -> ExpressionFault:
        match token.kind:
            case ",":
                before, after = self.tokens[self.at - 1], self.tokens[self.at + 1 : self.at + 2]
                if before.kind == "number" and after and after[0].kind == "number":
                    span = Span(before.span.start, after[0].span.stop)
                    return ExpressionFault(
                        "expression.comma", "a decimal comma", span,
                        f"write {before.word}.{after[0].word}",
                    )  # fmt: skip
                return ExpressionFault(
                    "expression.comma", "a comma has no meaning here", token.span,
                    "commas separate the arguments of a function",
                )  # fmt: skip
            case ")" | "]":
                opening = {")": "(", "]": "["}[token.kind]
                return ExpressionFault(
                    "expression.unopened", f"this {token.kind} was never opened", token.span,
                    f"delete it, or add the {opening}",
                )  # fmt: skip
            case "//":
                return ExpressionFault(
                    "expression.operator", "// is no operator here", token.span, "write a/b"
                )
            case kind if kind in RELATION_TOKENS:
                return self.misplaced_relation(token)
            case "power" | "^" | "**":
                return ExpressionFault("expression.power", "a power of nothing", token.span)
            case _:
                return ExpressionFault(
                    "expression.operator", f"{self.spelling(token.span)} is not expected here",
                    token.span,
                )  # fmt: skip
