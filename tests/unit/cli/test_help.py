"""Help: of everything, of a command, of a topic."""

import pytest
from click.testing import CliRunner

from tidegate.cli.program import program


def run(*args):
    return CliRunner().invoke(program, args)


def test_nothing_asked_for_shows_the_help():
    assert run().stdout == run("--help").stdout
    assert run().exit_code == 0


def test_a_group_alone_shows_its_commands():
    assert "cancel" in run("jobs").stdout


@pytest.mark.parametrize("line", ["jobs list", "up", "queues"])
def test_the_help_of_a_command_is_that_of_its_own_option(line):
    shown = run("help", *line.split()).stdout
    assert f"tidegate {line}" in shown
    assert shown.split("\n", 1)[1] == run(*line.split(), "--help").stdout.split("\n", 1)[1]


def test_exit_codes_are_a_topic():
    assert "   7  migration needed" in run("help", "exit-codes").stdout


def test_what_has_no_help_is_said():
    ran = run("help", "jobs", "nosuch")
    assert ran.exit_code == 2
    assert "there is no help on `jobs nosuch`" in ran.stderr
