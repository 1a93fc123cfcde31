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
def test_a_dotted_name_is_a_command_of_a_group_to_which_several_rooms_add() -> None:
    group = cli.build([entry("serve.one", "greet"), entry("serve.two", "greet")])
    listed = CliRunner().invoke(group, ["serve", "--help"]).output
    assert "one" in listed
    assert "two" in listed
    assert cli.GROUPS["serve"] in listed
    assert CliRunner().invoke(group, ["serve", "two", "tide"]).output == "tide\n"


@pytest.mark.usefixtures("room")
def test_a_group_loads_no_more_than_the_command_that_is_called() -> None:
    group = cli.build([entry("serve.one", "greet"), entry("serve.broken", "nothing_of_that_name")])
    assert CliRunner().invoke(group, ["serve", "one", "tide"]).output == "tide\n"


@pytest.mark.usefixtures("room")
def test_a_command_stays_itself_beside_one_of_two_words() -> None:
    group = cli.build([entry("look", "greet"), entry("look.closer", "greet")])
    assert CliRunner().invoke(group, ["look", "tide"]).output == "tide\n"
    assert CliRunner().invoke(group, ["look", "closer", "slack"]).output == "slack\n"
    assert "look closer" in CliRunner().invoke(group, ["--help"]).output
    assert "slacktide look closer" in CliRunner().invoke(group, ["look", "closer", "-h"]).output


def test_the_second_word_alone_is_no_command() -> None:
    group = cli.build([entry("look", "nothing"), entry("look.closer", "nothing")])
    assert CliRunner().invoke(group, ["closer"]).exit_code == 2


def test_a_name_that_no_room_has_is_wrong_use() -> None:
    group = cli.build([entry("serve.one", "greet")])
    assert CliRunner().invoke(group, ["serve", "three"]).exit_code == 2
    assert CliRunner().invoke(group, ["nothing"]).exit_code == 2


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
