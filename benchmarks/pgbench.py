"""The server's own ceiling: Tidegate's statements by pgbench, with nothing in between that is written in Python."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from tidegate.benchmark.measuring import QUEUE
from tidegate.store.embedded.binaries import find
from tidegate.store.postgres import PostgresStore, make_engine
from tidegate.store.protocol import NodeRow
from tidegate.store.statements import statement

__all__ = ["claims_and_acks", "enqueues"]

BATCH = 100
NODE = "pgbench"
CAST = {"innocents": "boolean", "charged": "boolean", "delays": "float8"}
TELLS = (
    "SELECT coalesce(array_agg(claimed.id), '{}')::text AS ids, coalesce(array_agg(claimed.lease), '{}')::text AS leases,"
    " coalesce(max(claimed.seq) + 1, :seq) AS seq"
)


def claims_and_acks(database: str, jobs: int, *, kind: str) -> float:
    """Claim and ack in turns on one connection, as a node's line does it, a hundred at a time; return jobs per second."""
    asyncio.run(_register(database))
    known = {"node": _text(NODE), "queue": _text(QUEUE), "kinds": f"ARRAY[{_text(kind)}]", "n": str(BATCH)}
    claim = _filled(statement("claim"), known | {"priorities": "ARRAY[0]", "seqs": "ARRAY[:seq]"})
    claim = re.sub(r"SELECT claimed\.\*.*?(?=\bFROM gate CROSS JOIN)", f"{TELLS} ", claim, flags=re.DOTALL)
    zeros = f"array_fill(0::float8, ARRAY[{BATCH}])"
    given = {"node": _text(NODE), "ids": ":ids", "leases": ":leases", "durations": zeros, "ages": zeros}
    names = re.findall(r"%\((\w+)\)s", statement("ack"))
    ack = _filled(statement("ack"), {name: f"'{{}}'::{CAST.get(name, 'text')}[]" for name in names} | given)
    ack = ack.replace(":ids::", ":ids ::").replace(":leases::", ":leases ::")
    return BATCH * _pgbench(database, f"{claim}\n\\gset\n{ack};\n", transactions=jobs // BATCH, define={"seq": "0"})


def enqueues(database: str, jobs: int, *, clients: int) -> float:
    """Enqueue one by one on some connections; return jobs per second."""
    args = 'E\'{"kwargs"\\x3a{"n"\\x3a1}}\''
    said = {"queue": _text(QUEUE), "kind": _text("working_jobs:noop"), "args": args, "priority": "0", "delay": "0"}
    text = _filled(statement("enqueue_one"), said | dict.fromkeys(("run_at", "max_attempts", "meta"), "NULL"))
    return _pgbench(database, f"{text};\n", transactions=max(jobs // clients, 1), clients=clients)


async def _register(database: str) -> None:
    store = PostgresStore(database, make_engine(database))
    try:
        await store.make_partitions()
        await store.register(NodeRow(NODE, "bench", os.getpid(), "0", (QUEUE,)), lease=3_600)
    finally:
        await store.close()


def _filled(text: str, values: dict[str, str]) -> str:
    return re.sub(r"%\((\w+)\)s", lambda match: values[match[1]], text).replace("%%", "%")


def _text(value: str) -> str:
    """A literal without colons, which pgbench would take for its variables."""
    return "E'" + value.replace(":", "\\x3a") + "'"


def _pgbench(database: str, script: str, *, transactions: int, clients: int = 1, define: dict[str, str] | None = None) -> float:
    beside = find().folder / "pgbench"
    program = str(beside) if beside.exists() else shutil.which("pgbench")
    if program is None:
        raise RuntimeError("pgbench is not installed: it comes with PostgreSQL's packages")
    parts = conninfo_to_dict(database)
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "dbname": "PGDATABASE", "password": "PGPASSWORD"}
    environment = {**os.environ, **{names[key]: str(value) for key, value in parts.items() if key in names}}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "script.sql"
        file.write_text(script, "utf-8")
        words = [program, "-n", "-M", "prepared", "-c", str(clients), "-j", "1", "-t", str(transactions), "-f", str(file)]
        words += [word for name, value in (define or {}).items() for word in ("-D", f"{name}={value}")]
        ran = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    found = re.search(r"tps = ([\d.]+)", ran.stdout)
    if ran.returncode or found is None:
        raise RuntimeError(ran.stderr + ran.stdout)
    return float(found[1])
