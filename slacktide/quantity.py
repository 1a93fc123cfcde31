"""The one parser of Kubernetes quantities: exact inside, one rule for bad input.

Two parsers for one quantity with different rules for bad input is a bug seen in peers. Here every
door uses this one. Grammar: `apimachinery/pkg/api/resource/quantity.go`: a signed decimal followed
by a binary suffix (Ki..Ei), a decimal suffix (n, u, m, k..E) or an exponent (e3, E3).

Always holds: parsing is exact (`Decimal`), formatting then parsing gives the same value, and
anything else raises `BadInput` with the text that was wrong.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal

from slacktide.errors import BadInput

# Longer texts are refused unread: no real quantity needs them, and Decimal is slow on megabytes.
MAX_LENGTH = 64

_GRAMMAR = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))"
    r"(?:(?P<suffix>[KMGTPE]i|[numkMGTPE])|[eE](?P<exponent>[+-]?[0-9]{1,2}))?"
)

_SUFFIX = {
    None: Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10) ** 3,
    "M": Decimal(10) ** 6,
    "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12,
    "P": Decimal(10) ** 15,
    "E": Decimal(10) ** 18,
    "Ki": Decimal(2) ** 10,
    "Mi": Decimal(2) ** 20,
    "Gi": Decimal(2) ** 30,
    "Ti": Decimal(2) ** 40,
    "Pi": Decimal(2) ** 50,
    "Ei": Decimal(2) ** 60,
}


def parse(text: str | float) -> Decimal:
    """The exact value of a quantity.

    Args:
        text: what stood in the object, such as `"250m"`, `"1.5Gi"`, `"12e6"` or the number 2.

    Raises:
        BadInput: it is no quantity; the message holds the (shortened) text.
    """
    shown = str(text)
    if isinstance(text, bool) or len(shown) > MAX_LENGTH:
        raise BadInput(f"not a quantity: {shown[:MAX_LENGTH]!r}")
    match = _GRAMMAR.fullmatch(shown)
    if match is None:
        raise BadInput(f"not a quantity: {shown!r} (examples: 250m, 2, 1.5Gi, 12e6)")
    number = Decimal(match["number"])
    if match["exponent"] is not None:
        return number.scaleb(int(match["exponent"]))
    return number * _SUFFIX[match["suffix"]]


def parse_cpu_cores(text: str | float) -> float:
    """CPU in cores: `"250m"` is 0.25. Raises `BadInput` where it is negative or no quantity."""
    return float(_not_negative(text))


def parse_bytes(text: str | float) -> int:
    """Memory in whole bytes, rounded up as the API server does. Raises `BadInput` as above."""
    return int(_not_negative(text).to_integral_value(rounding=ROUND_CEILING))


def _not_negative(text: str | float) -> Decimal:
    value = parse(text)
    if value < 0:
        raise BadInput(f"a resource cannot be negative: {text!r}")
    return value


def format_cpu_cores(cores: float) -> str:
    """Cores as a quantity in whole milli-cores, rounded up: 0.2501 is `"251m"`, 2.0 is `"2"`."""
    milli = milli_cores(cores)
    return str(milli // 1000) if milli % 1000 == 0 else f"{milli}m"


def milli_cores(cores: float) -> int:
    """Whole milli-cores, rounded up after binary float noise below a micro-core is dropped."""
    exact = (Decimal(repr(float(cores))) * 1000).quantize(Decimal("0.001"))
    return int(exact.to_integral_value(rounding=ROUND_CEILING))


def format_bytes(size_bytes: int) -> str:
    """Bytes as the shortest exact quantity: 1073741824 is `"1Gi"`, 1000 is `"1000"`."""
    for suffix in ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki"):
        unit = int(_SUFFIX[suffix])
        if size_bytes and size_bytes % unit == 0:
            return f"{size_bytes // unit}{suffix}"
    return str(size_bytes)
