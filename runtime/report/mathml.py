"""LaTeX to MathML that browsers of today draw well, and that holds nothing but mathematics."""

from __future__ import annotations

from html import escape
from xml.etree import ElementTree

from latex2mathml.converter import convert

NAMESPACE = "{http://www.w3.org/1998/Math/MathML}"
TAGS = (
    "math mrow mi mn mo mtext mspace msub msup msubsup munder mover munderover mfrac msqrt "
    "mroot mtable mtr mtd mstyle mpadded mphantom"
)
ATTRIBUTES = (
    "display displaystyle scriptlevel stretchy fence form accent movablelimits minsize maxsize "
    "linethickness width height depth lspace rspace separator"
)
TALL = "mfrac msqrt mroot mtable munder munderover"
# Where bold letters begin in Unicode: capital and small Latin, capital and small Greek.
BOLD = {
    "bold": (0x1D400, 0x1D41A, 0x1D6A8, 0x1D6C2),
    "bold-italic": (0x1D468, 0x1D482, 0x1D71C, 0x1D736),
}


def mathml(latex: str) -> str:
    """A display equation as MathML, or its LaTeX as text where the converter cannot read it."""
    # The converter does not know `aligned`; `split` has the same meaning in a display.
    known = latex.replace(r"\begin{aligned}", r"\begin{split}")
    known = known.replace(r"\end{aligned}", r"\end{split}")
    try:
        root = ElementTree.fromstring(convert(known, display="block"))
        _clean(root)
    except Exception:  # a dozen kinds from the library; ValueError and ParseError from here
        return f"<pre>{escape(latex)}</pre>"
    return f'<div class="math">{ElementTree.tostring(root, encoding="unicode")}</div>'


def _clean(element: ElementTree.Element) -> None:
    """Allow mathematics only, for the converter passes text on unescaped; mend what MathML Core,
    which browsers implement, has dropped: alignment of columns and bold letters.

    Raises ValueError for an element that is not mathematics or a command that was not understood.
    """
    element.tag = element.tag.removeprefix(NAMESPACE)
    if element.tag not in TAGS.split():
        raise ValueError(f"{element.tag} is not mathematics")
    text = element.text or ""
    if text.startswith("\\"):
        raise ValueError(f"the command {text} is not known")
    if element.get("mathvariant") in BOLD:
        element.text = "".join(_bold(char, element.get("mathvariant", "")) for char in text)
    column = element.get("columnalign")
    upright = element.get("mathvariant") == "normal"
    for name in [name for name in element.attrib if name not in ATTRIBUTES.split()]:
        del element.attrib[name]
    if column in ("left", "right", "center"):
        element.set("style", f"text-align:{column}")
    if upright:
        element.set("mathvariant", "normal")
    before: ElementTree.Element | None = None
    for child in element:
        _clean(child)
        signed = child.tag == "mo" and child.text in ("-", "+", "±", "\u2212")
        if signed and (before is None or (before.tag == "mo" and before.get("form") != "postfix")):
            child.set("form", "prefix")
        before = child
    if element.tag == "mrow" and not any(part.tag in TALL.split() for part in element.iter()):
        # Brackets that may grow are set wide apart by some fonts even where they need not grow.
        for child in element.findall("mo"):
            child.set("stretchy", "false")


def _bold(char: str, variant: str) -> str:
    for first, last, start in zip("AaΑα", "ZzΩω", BOLD[variant], strict=True):
        if first <= char <= last:
            return chr(start + ord(char) - ord(first))
    return char
