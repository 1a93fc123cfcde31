"""slacktide itself behind the baselines' interface: the predictor's own `advance`."""

from __future__ import annotations

from dataclasses import dataclass, field

from predictor.core.forecast import ForecastSettings, ForecastState, advance, warmed_up
from predictor.core.history import History
from simulator.core.policies.interface import HORIZONS_S
from slacktide.messages import NodeForecasts

HOUR_S = 3_600


@dataclass(slots=True)
class Slacktide:
    """Carries the forecast's state from call to call; the first call learns from the past alone.

    Between calls further apart than forecasts are learnt from, it takes the steps that a running
    predictor would have taken: what is forecast at a time does not depend on when it was asked
    before, and equals `slacktide forecast --at` that time.
    """

    cpu_risk: float = 0.01
    memory_risk: float = 0.001
    horizons_s: tuple[int, ...] = HORIZONS_S
    name: str = "slacktide"
    every_s: int = HOUR_S
    settings: ForecastSettings = field(init=False)
    state: ForecastState | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """The settings are the product's defaults but for what was asked."""
        self.settings = ForecastSettings(
            horizons_s=self.horizons_s, cpu_risk=self.cpu_risk, memory_risk=self.memory_risk
        )

    @property
    def promised_risk(self) -> float:
        """Of the node's CPU."""
        return self.cpu_risk

    def forecast(self, history: History, now_s: int) -> NodeForecasts:
        """The next forecast, after learning from all that came before it."""
        step_s = self.settings.learn_every_s
        if self.state is None:
            self.state = warmed_up(history, now_s, self.settings)
        else:
            for between_s in range(self.state.at_s + step_s, now_s, step_s):
                self.state, _ = advance(self.state, history, between_s, self.settings)
        self.state, made = advance(self.state, history, now_s, self.settings)
        return made
