from __future__ import annotations

import io
import json

import pytest
import structlog
from pydantic import ValidationError

from slacktide.clock import WallClock
from slacktide.settings import Settings
from slacktide.telemetry import configure_logging
from slacktide.testing.clock import VirtualClock


def test_every_setting_of_the_floor_has_a_reason() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert isinstance(field.json_schema_extra, dict)
        assert "unit" in field.json_schema_extra


def test_a_setting_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACKTIDE_LOG_LEVEL", "debug")
    assert Settings().log_level == "debug"


def test_a_setting_out_of_its_range_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACKTIDE_LOG_LEVEL", "shout")
    with pytest.raises(ValidationError, match="log_level"):
        Settings()


def test_logs_go_to_stderr_as_json_where_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = io.StringIO()
    monkeypatch.setattr("sys.stderr", heard)
    configure_logging(Settings(log_format="json", log_level="info"))
    structlog.get_logger().info("supply published", node="n1")
    structlog.get_logger().debug("not this")
    (line,) = heard.getvalue().splitlines()
    assert json.loads(line)["event"] == "supply published"
    structlog.reset_defaults()


def test_virtual_time_moves_only_when_told_and_never_back() -> None:
    clock = VirtualClock(10)
    clock.advance(5)
    assert clock.now_s() == 15
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1)


def test_wall_time_does_not_stand_still() -> None:
    clock = WallClock()
    first = clock.now_s()
    assert first > 1_700_000_000
    assert clock.now_s() >= first
