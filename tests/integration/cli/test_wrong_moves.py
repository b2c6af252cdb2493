"""Wrong moves cost one clear sentence, on standard error, with a hint and the right exit code; the page of them is current.

`WRITE_DOCS=1 python -m pytest tests/integration/cli/test_wrong_moves.py` writes docs/reference/wrong-moves.md anew.
"""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from tests.integration.cli.conftest import empty, furnish
from tests.integration.cli.shop import Shop, environment
from tests.integration.cli.test_reading import bury, finish
from tests.integration.cli.wrong_moves import (
    LEAST_ROLE,
    NO_DATABASE,
    NO_POSTGRESQL,
    OLD_SERVER,
    TAKEN_PORT,
    TOPICS,
    WRONG_PASSWORD,
    WRONG_USER,
    Move,
)
from tests.support.postgres import Server
from tests.support.strangers import no_postgresql, old_postgresql
from tidegate.settings import mask_url

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "wrong-moves.md"
pytestmark = pytest.mark.timeout(300)  # all moves are made by the first test

MOVES = [move for moves in TOPICS.values() for move in moves]
HEAD = """\
# Wrong moves

What Tidegate answers when something was typed, written or set up wrong: one sentence on standard error, a hint, and an exit code
(`tidegate help exit-codes`). Made by `WRITE_DOCS=1 python -m pytest tests/integration/cli/test_wrong_moves.py`, which also runs
every one of these commands and holds the page current.
"""


class Answer(NamedTuple):
    """How a move ended: its exit code, its data, and its words from `error: ` on."""

    code: int
    out: str
    error: str


class Stage:
    """The situations that commands are typed in, and the names that stand on the page for what they are here."""

    def __init__(self, shop: Shop, databases: dict[str, str], port: int, *, old: int, none: int) -> None:
        self.shop = shop
        self.databases = databases
        parts = conninfo_to_dict(shop.database)
        place = f"host={parts['host']}" + (f"&port={parts['port']}" if "port" in parts else "")
        self.real = {
            WRONG_PASSWORD: f"postgresql://app:wrong@/{parts['dbname']}?{place}",
            WRONG_USER: f"postgresql://nobody@/{parts['dbname']}?{place}",
            LEAST_ROLE: f"postgresql://guest@/{parts['dbname']}?{place}",
            NO_DATABASE: f"postgresql://guest@/nosuch?{place}",
            OLD_SERVER: f"postgresql://app@127.0.0.1:{old}/shop",
            NO_POSTGRESQL: f"postgresql://app@127.0.0.1:{none}/shop",
            TAKEN_PORT: str(port),
        }

    def run(self, move: Move, monkeypatch: pytest.MonkeyPatch) -> Answer:
        """Return what a move answers, in the names of the page."""
        line = move.command
        for shown, real in self.real.items():
            line = line.replace(shown, real)
        words = shlex.split(line)
        with self._situation(move.where, monkeypatch):
            if move.apart:
                env = environment(**{name: value for name, value in os.environ.items() if name.startswith("TIDEGATE_")})
                ran = subprocess.run(
                    [sys.executable, "-m", "tidegate", *words], env=env, capture_output=True, text=True, timeout=60, check=False
                )
                code, out, err = ran.returncode, ran.stdout, ran.stderr
            else:
                result = self.shop.run(*words)
                code, out, err = result.exit_code, result.stdout, result.stderr
        told = self._shown(err)
        return Answer(code, out, told[max(told.find("error: "), 0) :])

    @contextmanager
    def _situation(self, where: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        folder = self.shop.folder / "elsewhere"
        folder.mkdir(exist_ok=True)
        files = {
            "typing errors": {"queues.yaml": "queues:\n  email: {timuot: 3}\n  ml: {consumers: none}\n"},
            "a missing module": {"queues.yaml": "jobs: [shopjbos]\nqueues: {email: {}}\n"},
            "a module that raises": {
                "queues.yaml": "jobs: [shaky]\nqueues: {email: {}}\n",
                "shaky.py": "import json\njson.loads('{')\n",
            },
            "a @job of an undeclared queue": {
                "queues.yaml": "jobs: [stray]\nqueues: {email: {}}\n",
                "stray.py": 'from tidegate import job\n\n\n@job(queue="emial")\nasync def greet() -> None: ...\n',
            },
        }
        with ExitStack() as stack:
            changes = stack.enter_context(monkeypatch.context())
            if where in files:
                for name, text in files[where].items():
                    (folder / name).write_text(text)
                changes.chdir(folder)
            elif where == "nowhere":
                (folder / "queues.yaml").unlink(missing_ok=True)
                changes.chdir(folder)
                changes.delenv("TIDEGATE_DATABASE")
            elif where in self.databases:
                changes.setenv("TIDEGATE_DATABASE", self.databases[where])
            elif where.endswith(" is set"):
                changes.setenv(*where.removesuffix(" is set").split("="))
            else:
                assert where in {"shop", f"port {TAKEN_PORT} is taken"}, where
            yield

    def _shown(self, err: str) -> str:
        for shown, real in self.real.items():
            err = err.replace(mask_url(real), mask_url(shown))
        name = str(conninfo_to_dict(self.shop.database)["dbname"])
        for before, after in ((name, "shop"), (str(self.shop.folder / "elsewhere"), "."), (str(self.shop.folder), ".")):
            err = err.replace(before, after)
        return err


@pytest.fixture(scope="module")
def databases(servers) -> Iterator[dict[str, str]]:
    """The databases of the situations that have one of their own."""
    server, template = servers("embedded")
    _lock_out(server)
    empty, newer = server.create_database(), server.create_database(template)
    with psycopg.connect(newer, autocommit=True) as connection:
        connection.execute("INSERT INTO tidegate.migrations (version, name) VALUES (9000, 'future')")
    yield {"a database that was not migrated": empty, "a database of a newer Tidegate": newer}
    server.drop_database(empty)
    server.drop_database(newer)


@pytest.fixture(scope="module")
def answers(furnished: str, databases: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[Move, Answer]:
    """What every move answered: none of them changes anything, so they share one stage."""
    empty(furnished)
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        socket.create_server(("127.0.0.1", 0)) as taken,
        old_postgresql() as old,
        no_postgresql() as none,
    ):
        shop = furnish(tmp_path_factory.mktemp("shop"), furnished, monkeypatch)
        for job_id in range(1, 7):
            more = {"state": "running", "node": "n1", "lease": 1, "attempt": 1, "claimed_at": "now"} if job_id == 4 else {}
            shop.insert(id=job_id, **more)
        finish(shop, 1)
        bury(shop, 2)
        bury(shop, 5, retried_as=6)
        stage = Stage(shop, databases, taken.getsockname()[1], old=old, none=none)
        return {move: stage.run(move, monkeypatch) for move in MOVES}


def _lock_out(server: Server) -> None:
    """Have a role whose password is asked for, and one that may do nothing."""
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        for role in ("app", "guest"):
            if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).fetchall():
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'right'").format(sql.Identifier(role)))
        rules = server.data / "pg_hba.conf"
        rule = "local all app scram-sha-256\n"
        if not rules.read_text().startswith(rule):
            rules.write_text(rule + rules.read_text())
            connection.execute("SELECT pg_reload_conf()")


@pytest.mark.parametrize("move", MOVES, ids=[f"{move.command} ({move.where})" for move in MOVES])
def test_a_wrong_move_costs_one_sentence(move: Move, answers: dict[Move, Answer]) -> None:
    answer = answers[move]
    assert move.says in answer.error
    assert answer.code == move.code, answer
    assert answer.out == ""
    assert answer.error.count("error: ") == 1
    assert "Traceback" not in answer.error or "cannot be imported" in answer.error


def test_there_are_enough_of_them() -> None:
    assert len(MOVES) >= 60
    assert len(set(MOVES)) == len(MOVES)


def test_the_page_is_current(answers: dict[Move, Answer]) -> None:
    page = _page(answers)
    if os.environ.get("WRITE_DOCS"):
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(page, "utf-8")
    assert PAGE.read_text("utf-8") == page, "WRITE_DOCS=1 python -m pytest tests/integration/cli/test_wrong_moves.py"


def _page(answers: dict[Move, Answer]) -> str:
    lines = [HEAD]
    for topic, moves in TOPICS.items():
        lines += [f"## {topic}\n", "| typed | exit | answer |", "| --- | --- | --- |"]
        for move in moves:
            where = "" if move.where == "shop" else f"<br>({move.where})"
            error, _, hint = answers[move].error.strip().removeprefix("error: ").partition("\n\nhint: ")
            hint = re.sub(r"(commands of `[^`]*`: \w+, \w+), .*", r"\1, ...", hint)  # a new command is no news here
            way_out = f"<br>*hint:* {_cell(hint)}" if hint else ""
            lines.append(f"| `tidegate {_cell(move.command)}`{where} | {move.code} | {_cell(_stable(error))}{way_out} |")
        lines.append("")
    return "\n".join(lines)


def _stable(error: str) -> str:
    """Leave out what differs from machine to machine and from day to day: a resolver's words, a traceback, the newest migration."""
    error = re.sub(r"(this Tidegate needs|newer than the) \d+", r"\1 N", error)
    if "resolve" in error:
        return error.split(": failed to resolve", maxsplit=1)[0] + ": failed to resolve host 'db.invalid': ..."
    return error.split("\nTraceback", maxsplit=1)[0]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", "<br>").replace("*", "\\*")
