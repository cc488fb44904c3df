"""Memory layouts of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def channels_last(array: NDArray[Any], axis: int = 1) -> NDArray[Any]:
    """Return a copy of the same shape and values whose axis ``axis`` varies fastest in memory."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, axis, -1)), -1, axis)
