"""Writes earth_heliocentric.csv: four years of daily positions of the Earth.

    pip install pyerfa
    python studies/data/make_earth_orbit.py

The positions are those of ERFA's routine epv00, a simplified VSOP2000 (Moisson and Bretagnon,
Celest. Mech. Dyn. Astron. 80, 205, 2001), good to 11 km over 1900 to 2100. They hold all that
pulls on the Earth; the Moon alone swings it by 3e-5 au, and no Kepler orbit can follow that.
"""

from pathlib import Path

import erfa
import numpy as np

START = 2455197.5  # Julian date (TDB) of 2010-01-01 00:00
DAYS = 1461
HERE = Path(__file__).parent

HEADER = f"""\
# Heliocentric positions of the Earth, daily, 2010-01-01 to 2014-01-01 (00:00 TDB); t in days since
# JD {START} TDB; x, y, z in au along the axes of the BCRS (ICRS), rounded to 1e-9 au (150 m).
# Written by make_earth_orbit.py: routine epv00 (heliocentric part) of pyerfa {erfa.__version__}.
# ERFA and pyerfa: BSD licence, copyright NumFOCUS Foundation; derived, with permission, from the
# SOFA library of the International Astronomical Union.
t [day],x [au],y [au],z [au]
"""


def main() -> None:
    days = np.arange(DAYS + 1)
    heliocentric, _ = erfa.epv00(START, days)
    rows = zip(days, heliocentric["p"], strict=True)
    body = "".join(f"{t},{x:.9f},{y:.9f},{z:.9f}\n" for t, (x, y, z) in rows)
    (HERE / "earth_heliocentric.csv").write_text(HEADER + body)


if __name__ == "__main__":
    main()
