"""`tide.circuits`: what `tidegate circuits` does, from a program, with and without await."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tidegate import Tidegate
from tidegate.errors import NotFound, UsageError

CONFIG = "jobs: [tests.support.circuit_jobs]\nqueues: {email: {}, forked: {}}\ncircuits: {relay: {probes: 5}}\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "queues.yaml"
    path.write_text(CONFIG, "utf-8")
    return path


@pytest.fixture
async def tide(database: str, config: Path) -> AsyncIterator[Tidegate]:
    async with Tidegate.connect(database, config=config) as tide:
        yield tide


async def test_circuits_are_listed_before_any_node_has_told_of_them(tide: Tidegate) -> None:
    listed = {view.circuit: view.as_json() for view in await tide.circuits.list()}
    assert listed["relay"]["state"] == "closed"
    assert listed["relay"]["probes"]["allowed"] == 5


async def test_each_verb_moves_it_and_leaves_who_did_it_and_why(tide: Tidegate) -> None:
    circuits = tide.circuits
    opened = await circuits.open("relay", reason="maintenance", seconds=7200, actor="ana")
    assert (opened.state, opened.actor, opened.note) == ("forced_open", "ana", "maintenance")
    assert 7000 < (opened.left or 0) <= 7200
    assert (await circuits.half_open("relay")).state == "half_open"
    assert (await circuits.close("relay")).state == "forced_closed"
    assert (await circuits.reset("relay", reason="over")).state == "closed"
    assert (await circuits.show("relay")).why.endswith("(over)")
    past = await circuits.history("relay")
    assert [event.to_state for event in past] == ["closed", "forced_closed", "half_open", "forced_open"]
    assert [event.note for event in await circuits.history("relay", limit=1)] == ["over"]


async def test_what_cannot_be_is_refused(tide: Tidegate) -> None:
    with pytest.raises(NotFound, match="did you mean 'relay'"):
        await tide.circuits.open("relai")
    with pytest.raises(UsageError, match="more than 0 s"):
        await tide.circuits.close("relay", seconds=0)


def test_the_blocking_client_has_the_same_verbs(database: str, config: Path) -> None:
    with Tidegate.connect_sync(database, config=config) as tide:
        assert tide.circuits.open("relay", reason="maintenance").state == "forced_open"
        assert tide.circuits.half_open("relay").state == "half_open"
        assert tide.circuits.close("relay", seconds=60).state == "forced_closed"
        assert tide.circuits.reset("relay").state == "closed"
        assert tide.circuits.show("relay").gen == 4
        assert "relay" in [view.circuit for view in tide.circuits.list()]
        assert len(tide.circuits.history("relay")) == 4


def test_a_program_that_cannot_import_the_jobs_moves_what_nodes_have_told_of(database: str, config: Path, tmp_path: Path) -> None:
    with Tidegate.connect_sync(database, config=config) as tide:
        tide.circuits.open("relay")
    elsewhere = tmp_path / "elsewhere.yaml"
    elsewhere.write_text(CONFIG.replace("tests.support.circuit_jobs", "not_installed_here"), "utf-8")
    with Tidegate.connect_sync(database, config=elsewhere) as tide:
        assert [view.circuit for view in tide.circuits.list()] == ["relay"]
        assert tide.circuits.reset("relay").state == "closed"


def test_a_client_that_is_not_connected_says_so(config: Path) -> None:
    with pytest.raises(RuntimeError, match="not connected"):
        Tidegate.connect_sync("postgresql://nowhere", config=config).circuits.list()


async def test_an_async_client_that_is_not_connected_says_so(config: Path) -> None:
    with pytest.raises(RuntimeError, match="not connected"):
        await Tidegate.connect("postgresql://nowhere", config=config).circuits.list()
