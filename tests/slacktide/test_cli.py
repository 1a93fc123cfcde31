from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

import click
import pytest
from click.testing import CliRunner

from slacktide import cli
from slacktide.errors import BadInput


@click.command()
@click.argument("name")
def greet(name: str) -> None:
    """Greets."""
    if name == "bad":
        raise BadInput("usage.parquet, column cpu_cores, row 3: negative")
    click.echo(name)


@click.group()
def serve() -> None:
    """Runs a process."""


@click.group("serve")
def other() -> None:
    """Of another room."""


serve.add_command(greet, "one")
other.add_command(greet, "two")


def entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name=name, value=f"{__name__}:{value}", group=cli.COMMAND_GROUP)


ROOM = entry("greet", "greet")


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, __name__, sys.modules[greet.callback.__module__])
    monkeypatch.setattr(cli, "entry_points", lambda group: [ROOM] if group else [])


@pytest.mark.usefixtures("room")
def test_a_rooms_command_is_found_by_its_entry_point() -> None:
    answer = CliRunner().invoke(cli.build([ROOM]), ["greet", "tide"])
    assert (answer.exit_code, answer.output) == (0, "tide\n")


@pytest.mark.usefixtures("room")
def test_wrong_input_is_one_line_on_stderr_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["slacktide", "greet", "bad"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "slacktide: usage.parquet, column cpu_cores, row 3: negative\n"


@pytest.mark.usefixtures("room")
def test_a_group_of_several_rooms_has_the_commands_of_each() -> None:
    group = cli.build([entry("serve.a", "serve"), entry("serve.b", "other")])
    assert "one" in CliRunner().invoke(group, ["serve", "--help"]).output
    assert CliRunner().invoke(group, ["serve", "two", "tide"]).output == "tide\n"


@pytest.mark.usefixtures("room")
def test_a_command_is_loaded_only_when_it_is_called() -> None:
    broken = entry("broken", "nothing_of_that_name")
    assert CliRunner().invoke(cli.build([ROOM, broken]), ["greet", "tide"]).output == "tide\n"


def test_without_rooms_the_command_line_still_helps() -> None:
    answer = CliRunner().invoke(cli.build([]), ["--help"])
    assert answer.exit_code == 0
    assert "slacktide up --once" in answer.output


def test_the_installed_program_finds_every_room_that_has_commands() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "slacktide.cli", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    for command in ("up", "backtest", "forecast"):
        assert f"  {command} " in said.stdout
