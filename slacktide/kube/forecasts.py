"""The NodeForecast object, slacktide.io/v1alpha1: one row of `messages.NodeForecasts`.

The chart's definitions/nodeforecasts.yaml says what each field means and which values the server
takes. Its status stays bytes until `status_of`, so one that is of another shape costs its own node
and not the mirror of all.
"""

from __future__ import annotations

from typing import Final

import msgspec

from slacktide.errors import BadInput
from slacktide.kube.objects import Meta


class Amounts(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Quantities; None where nobody knows."""

    cpu: str | int | float | None = None
    memory: str | int | float | None = None


class Horizon(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One length of time from when the forecast was made."""

    seconds: int
    reclaimable: Amounts = Amounts()
    kept: Amounts = Amounts()
    reason: str = ""


class Risk(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Promised share of windows in which online needs more than was kept."""

    cpu: float | None = None
    memory: float | None = None


class ForecastStatus(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What was forecast."""

    made_at: str
    horizons: tuple[Horizon, ...]
    risk: Risk = Risk()


class NodeForecast(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """slacktide.io/v1alpha1, cluster-scoped, named as its node."""

    metadata: Meta
    status: msgspec.Raw = msgspec.Raw()

    def __post_init__(self) -> None:
        """What is decoded is a view, which would keep its whole page alive."""
        msgspec.structs.force_setattr(self, "status", msgspec.Raw(bytes(self.status)))


_STATUS: Final = msgspec.json.Decoder(ForecastStatus)


def status_of(forecast: NodeForecast) -> ForecastStatus | None:
    """Its status; None where nothing was forecast yet. Raises `BadInput` for another shape."""
    if not bytes(forecast.status):
        return None
    try:
        return _STATUS.decode(forecast.status)
    except (msgspec.DecodeError, UnicodeDecodeError) as why:
        raise BadInput(f"no forecast: {why}") from why
