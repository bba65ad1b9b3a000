"""Studies of kind `om`: which path of least action joins these two states?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..spec.om import Om
from .om_relax import Relaxation
from .om_setting import setting


def compile(study: Om, observations: Mapping[str, np.ndarray] | None = None) -> Relaxation:
    found = setting(study)
    return Relaxation(found, None)


def explain(study: Om):
    return ()
