"""What a command costs before it does anything: the modules that it imports."""

import json
import subprocess
import sys

import click
import pytest

from tidegate.cli.lazy import Group
from tidegate.cli.program import LATER, TARGETS, program

HEAVY = ("sqlalchemy", "pydantic", "psycopg", "rich", "asyncio", "starlette", "uvicorn", "prometheus_client", "ruamel")


def imported_by(*args: str) -> set[str]:
    script = (
        "import sys, json\nfrom tidegate.cli import main\ncode = main(sys.argv[1:])\n"
        "print(json.dumps([code, sorted({name.split('.')[0] for name in sys.modules})]), file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", script, *args], capture_output=True, text=True, check=True)
    code, modules = json.loads(ran.stderr.splitlines()[-1])
    assert code in {0, 2}
    return set(modules)


@pytest.mark.parametrize(
    "line",
    [
        "--help",
        "--version",
        "jobs --help",
        "queues purge --help",
        "up --help",
        "enqueue --help",
        "demo --help",
        "nosuch",
        "help exit-codes",
    ],
)
def test_help_imports_nothing_heavy(line):
    assert imported_by(*line.split()) & set(HEAVY) == set()


@pytest.mark.parametrize("line", ["jobs list", "queues list", "db status", "enqueue shop:greet"])
def test_neither_reading_nor_enqueueing_needs_sqlalchemy_or_the_embedded_server(tmp_path, line):
    config = tmp_path / "queues.yaml"
    config.write_text("database: postgresql://localhost:1/none\njobs: [shop]\nqueues: {email: {}}\n")
    (tmp_path / "shop.py").write_text("def greet(): ...\n")
    script = (
        "import sys\nfrom tidegate.cli import main\ncode = main(sys.argv[1:])\n"
        "print(code, sorted(set(sys.modules) & {'sqlalchemy', 'rich', 'psycopg', 'tidegate.store.embedded.user'}))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, *line.split(), "--config", str(config)], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "6 ['psycopg']"


def test_a_blocking_client_needs_no_sqlalchemy_before_somebody_wants_an_engine():
    script = "import sys, tidegate.client.blocking; print('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize("name", TARGETS)
def test_a_command_is_where_the_list_says_and_says_what_the_list_says(name):
    command = program.get_command(click.Context(program), name)
    assert command.name == name
    assert command.get_short_help_str(limit=200) == TARGETS[name].line


def test_what_exists_is_not_promised_for_later():
    assert not set(TARGETS) & set(LATER)
    for name in TARGETS:
        command = program.get_command(click.Context(program), name)
        if isinstance(command, Group):
            assert not set(command.later) & set(command.commands)


def test_every_command_takes_the_shared_options():
    def commands(group, path):
        for name in group.list_commands(click.Context(group)):
            command = group.get_command(click.Context(group), name)
            yield f"{path} {name}", command
            if isinstance(command, click.Group):
                yield from commands(command, f"{path} {name}")

    lacking = {
        path: missing
        for path, command in commands(program, "tidegate")
        if (missing := {"--config", "--database", "--debug"} - {option for param in command.params for option in param.opts})
    }
    assert lacking == {}
