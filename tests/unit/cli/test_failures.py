"""How a command ends."""

import sys

import click
import psycopg
import pytest

from tidegate.cli.failures import excepthook, exit_code_of, tell, translated
from tidegate.cli.help import EXIT_CODES
from tidegate.cli.scope import Scope
from tidegate.errors import (
    ConfigurationError,
    DatabaseError,
    DatabaseUnreachable,
    InvalidArguments,
    MigrationNeeded,
    NotFound,
    Refused,
    TidegateError,
    Unhealthy,
    UnknownKind,
    UsageError,
)
from tidegate.supervision import Crash, FailedToStart


def raising(error):
    def run():
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TidegateError("x"), 1),
        (DatabaseError("x"), 1),
        (UsageError("x"), 2),
        (ConfigurationError("x"), 2),
        (UnknownKind("a", []), 2),
        (InvalidArguments("a", ["b"]), 2),
        (NotFound("x"), 3),
        (Refused("x"), 4),
        (Unhealthy("x"), 5),
        (DatabaseUnreachable("x"), 6),
        (MigrationNeeded("x"), 7),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (click.UsageError("x"), 2),
        (click.exceptions.Exit(124), 124),
        (click.exceptions.Exit(0), 0),
    ],
)
def test_each_error_has_its_exit_code(error, code):
    assert exit_code_of(raising(error), Scope()) == code
    assert code in EXIT_CODES


def test_a_command_that_returns_ends_with_0():
    assert exit_code_of(lambda: "anything", Scope()) == 0


def test_an_error_is_a_sentence_a_blank_line_and_a_hint(capsys):
    tell(NotFound("there is no job 7", hint="list them"), Scope())
    assert capsys.readouterr() == ("", "error: there is no job 7\n\nhint: list them\n")


def test_without_a_hint_there_is_none(capsys):
    tell(NotFound("there is no job 7"), Scope())
    assert capsys.readouterr().err == "error: there is no job 7\n"


def test_debug_adds_the_traceback(capsys):
    try:
        raise Refused("no")
    except Refused as error:
        tell(error, Scope(debug=True))
    told = capsys.readouterr().err
    assert told.startswith("Traceback (most recent call last)")
    assert told.endswith("error: no\n")


def test_why_a_child_failed_to_start_is_told_instead_of_that_it_did(capsys):
    wrapped = FailedToStart(
        "node", Crash(FailedToStart("registry", Crash(MigrationNeeded("the schema is behind", hint="migrate"))))
    )
    assert tell(wrapped, Scope()) == 7
    assert capsys.readouterr().err == "error: the schema is behind\n\nhint: migrate\n"


def test_what_nobody_expected_is_one_sentence_and_the_way_to_the_traceback(capsys):
    excepthook(Scope())(ZeroDivisionError, ZeroDivisionError("division by zero\nand more"), None)
    told = capsys.readouterr().err
    assert told == (
        "error: this should not have happened: ZeroDivisionError: division by zero\n\n"
        "hint: with --debug the traceback goes to standard error; a report of it is welcome\n"
    )


def test_what_the_database_refuses_is_not_called_unexpected(capsys):
    error = psycopg.errors.InsufficientPrivilege("permission denied for schema tidegate\nLINE 1: ...")
    excepthook(Scope())(type(error), error, None)
    assert capsys.readouterr().err.startswith("error: the database refuses: permission denied for schema tidegate\n\nhint: ")


def test_a_setting_that_came_as_an_option_is_named_as_one(capsys):
    tell(ConfigurationError("argument: drain_timeout: expected a time\nqueues.yaml:3: argument: x"), Scope())
    assert capsys.readouterr().err == "error: --drain-timeout: expected a time\nqueues.yaml:3: argument: x\n"


def test_with_debug_the_traceback_of_the_unexpected_is_shown(capsys):
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        excepthook(Scope(debug=True))(*sys.exc_info())
    assert "1 / 0" in capsys.readouterr().err


@click.command("send")
@click.argument("name")
@click.option("--limit", type=int)
@click.option("--yes", is_flag=True)
def send(name, limit, yes):
    pass


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--limt", "3"], "there is no option --limt; did you mean --limit?"),
        (["a", "--nothing-like-it"], "there is no option --nothing-like-it"),
        (["a", "-x"], "there is no option -x"),
        ([], "NAME is missing"),
        (["a", "b"], "got unexpected extra argument (b)"),
        (["a", "--limit"], "--limit needs a value"),
        (["a", "--yes=1"], "--yes takes no value"),
        (["a", "--limit", "x"], "--limit: 'x' is not a valid integer"),
    ],
)
def test_clicks_complaints_are_told_in_our_words(args, sentence):
    with pytest.raises(click.UsageError) as caught:
        send.make_context("send", args)
    assert str(translated(caught.value)) == sentence
