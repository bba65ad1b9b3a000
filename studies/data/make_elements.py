"""Writes elements.csv: five properties of the elements of which pymatgen's table has all five.

    pip install pymatgen
    python studies/data/make_elements.py

The numbers are those of pymatgen's periodic table, as they stand there; an element of which one is
lacking is left out. A column per property, a row per element, in order of atomic number.
"""

from importlib.metadata import version
from pathlib import Path

from pymatgen.core import Element

HERE = Path(__file__).parent
COLUMNS = (  # header, property of pymatgen, factor from its unit
    ("melting_point [K]", "melting_point", 1),
    ("bulk_modulus [GPa]", "bulk_modulus", 1),
    ("shear_modulus [GPa]", "rigidity_modulus", 1),
    ("density [g/cm^3]", "density_of_solid", 1e-3),  # kg/m^3
    ("atomic_mass [u]", "atomic_mass", 1),
)

HEADER = f"""\
# Melting points, elastic moduli, density of the solid and atomic mass of the elements for which all
# five are known. Written by make_elements.py from the periodic table of pymatgen-core
# {version("pymatgen-core")}; provenance and licence in elements.LICENCE.txt.
element,{",".join(name for name, _, _ in COLUMNS)}
"""


def main() -> None:
    rows = []
    for element in Element:
        if element.symbol in ("D", "T"):  # isotopes of hydrogen
            continue
        values = [getattr(element, name) for _, name, _ in COLUMNS]
        if None not in values:
            pairs = zip(values, COLUMNS, strict=True)
            numbers = [f"{float(value) * factor:.10g}" for value, (_, _, factor) in pairs]
            rows.append(",".join([element.symbol, *numbers]) + "\n")
    (HERE / "elements.csv").write_text(HEADER + "".join(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
