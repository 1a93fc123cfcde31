"""The unit of every number the API serves, said once, so that its schema documents itself.

Always holds: what is unknown is null. NaN and infinities never leave this module as numbers.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

Text = str
Seconds = Annotated[int, Field(description="seconds from the trace's origin, or a duration")]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float | None, Field(description="0 to 1; null where nothing is known")]
Cores = Annotated[float | None, Field(description="CPU cores; null where unknown")]
CoreHours = Annotated[float | None, Field(description="CPU cores times hours")]
Bytes = Annotated[int | None, Field(description="bytes; null where unknown")]
Shares = Annotated[list[float | None], Field(description="0 to 1 each; null where unknown")]
CoresColumn = Annotated[list[float | None], Field(description="CPU cores; null where unknown")]
SecondsColumn = Annotated[list[int], Field(description="start of each bucket, seconds from origin")]

SHARE_DIGITS = 4
CORES_DIGITS = 3


def number(value: float, digits: int) -> float | None:
    """One rounded number, None where it is not finite."""
    return round(float(value), digits) if math.isfinite(value) else None


def column(values: NDArray[Any], digits: int) -> list[float | None]:
    """A rounded column [K], None where a value is not finite."""
    finite = np.isfinite(values)
    rounded: list[float | None] = np.round(values.astype(np.float64), digits).tolist()
    if finite.all():
        return rounded
    return [value if known else None for value, known in zip(rounded, finite, strict=True)]


def share_of(part: float, whole: float) -> float:
    """Part over whole; NaN where there is no whole."""
    return part / whole if whole > 0 else math.nan
