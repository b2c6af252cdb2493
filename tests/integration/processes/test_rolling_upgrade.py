"""A release with a pre and a post migration is deployed beside nodes of the release before, while jobs come and go."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import tidegate
from tests.support import jobs
from tests.support.processes import NodeProcess
from tests.support.stand import Stand, stand_on, until
from tidegate.store import migrate

PRE = "ALTER TABLE tidegate.jobs ADD COLUMN colour text;\nALTER TABLE tidegate.history ADD COLUMN colour text;\n"
POST = "DROP TABLE tidegate.only_of_old;\n"


@pytest.fixture
async def stand(database: str, tmp_path: Path) -> AsyncIterator[Stand]:
    async with stand_on(database, tmp_path, lease=3.0) as stand:
        stand.execute("CREATE TABLE tidegate.only_of_old ()")
        yield stand


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """The package as its next release may be: another version, two more migrations."""
    root = tmp_path / "next"
    package = Path(tidegate.__file__).parent
    shutil.copytree(package, root / "tidegate", ignore=shutil.ignore_patterns("__pycache__"))
    init = root / "tidegate" / "__init__.py"
    init.write_text(init.read_text("utf-8").replace(f'"{tidegate.__version__}"', '"99.0.0"'), "utf-8")
    migrations = root / "tidegate" / "store" / "migrations"
    (migrations / f"{migrate.EXPECTED + 1:04}_colour.pre.sql").write_text(PRE, "utf-8")
    (migrations / f"{migrate.EXPECTED + 2:04}_no_shade.post.sql").write_text(POST, "utf-8")
    return root


async def up(stand: Stand, release: Path | None = None) -> NodeProcess:
    node = await asyncio.to_thread(NodeProcess, stand.database, stand.folder, path=release)
    await asyncio.to_thread(node.wait_for, "Ctrl-C drains", 90)
    return node


async def ended(node: NodeProcess) -> None:
    node.signal(signal.SIGTERM)
    assert await asyncio.to_thread(node.end, 60) == 0, node.said


def version(stand: Stand) -> int:
    [row] = stand.rows("SELECT max(version) AS version FROM tidegate.migrations")
    return int(row["version"]) - migrate.EXPECTED


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_old_and_new_nodes_work_side_by_side_until_the_last_old_one_has_ended(stand: Stand, release: Path) -> None:
    enqueued: list[int] = []
    feeding = True

    async def feed() -> None:
        while feeding:
            enqueued.extend(await stand.tide.enqueue_many([jobs.slow_note.call(n, seconds=0.01) for n in range(10)]))
            await asyncio.sleep(0.1)

    nodes: list[NodeProcess] = []
    feeder = asyncio.ensure_future(feed())
    try:
        old = await up(stand)
        nodes.append(old)
        assert version(stand) == 0
        new = await up(stand, release)  # it migrates, as far as the old one allows
        nodes.append(new)
        assert version(stand) == 1
        again = await up(stand)  # an old one that is started again meanwhile
        nodes.append(again)
        done = len(stand.rows("SELECT id FROM tidegate.history"))
        await until(lambda: len(stand.rows("SELECT id FROM tidegate.history")) > done + 100, within=60)
        workers = {row["version"] for row in stand.rows("SELECT version FROM tidegate.nodes WHERE NOT dead")}
        assert workers == {tidegate.__version__, "99.0.0"}
        await ended(old)
        await ended(again)
        last = await up(stand, release)
        nodes.append(last)
        assert version(stand) == 2
        assert stand.rows("SELECT to_regclass('tidegate.only_of_old') IS NULL AS gone") == [{"gone": True}]
        feeding = False
        await feeder
        await until(lambda: not stand.rows("SELECT id FROM tidegate.jobs LIMIT 1"), within=60)
        refused = await asyncio.to_thread(NodeProcess, stand.database, stand.folder)
        nodes.append(refused)
        assert await asyncio.to_thread(refused.end, 60) == 7, refused.said
        assert "newer than" in refused.said
        await ended(new)
        await ended(last)
    finally:
        feeding = False
        await feeder
        for node in nodes:
            node.__exit__(None, None, None)
    assert len(stand.rows("SELECT id FROM tidegate.history WHERE state = 'completed' AND attempt = 1")) == len(enqueued)
