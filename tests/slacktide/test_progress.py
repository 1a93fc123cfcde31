from __future__ import annotations

import pytest

from slacktide.progress import progress_over


def test_a_log_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress_over("ab", total=9, what="building", often_s=0)) == ["a", "b"]
    assert capsys.readouterr().err == "building: 1 of 9\nbuilding: 2 of 9\n"


def test_a_log_gets_no_line_where_none_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress_over("ab", total=2, what="building")) == ["a", "b"]
    assert capsys.readouterr().err == ""
