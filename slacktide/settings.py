"""Settings with a unit, a default and a reason each, read from the environment.

A room declares its settings with `setting(...)`, so that `docs/settings.md` is generated from the
code and a setting without a reason cannot exist.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def setting(default: Any, *, unit: str, reason: str, **limits: Any) -> Any:  # noqa: ANN401  pydantic's own signature
    """A field of a settings class.

    Args:
        default: its value when nothing is said.
        unit: what the number counts ("s", "cores", "share", "bytes", "" for a name).
        reason: why the default is what it is, one sentence.
        limits: pydantic's bounds, such as `ge=0`.
    """
    return Field(default=default, description=reason, json_schema_extra={"unit": unit}, **limits)


class Settings(BaseSettings):
    """The floor's own settings; each is read from `SLACKTIDE_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="SLACKTIDE_", frozen=True, extra="ignore")

    log_level: str = setting(
        "warning",
        unit="",
        reason="A command's user wants the result; processes in a cluster set info.",
        pattern="^(debug|info|warning|error)$",
    )
    log_format: str = setting(
        "console",
        unit="",
        reason="People read logs first; the chart sets json for collectors.",
        pattern="^(console|json)$",
    )
