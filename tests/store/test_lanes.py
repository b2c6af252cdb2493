"""Connections that are lent: kept while they are good, replaced unseen once the server has ended them."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from tests.store.scene import Scene, new
from tidegate.store.lanes import BlockingLanes, Lanes


async def pid_of(lanes: Lanes) -> int:
    async with lanes.lane() as connection:
        return connection.info.backend_pid


async def test_a_lane_is_used_again_and_two_at_once_are_two(scene: Scene) -> None:
    lanes = Lanes(scene.database, size=2)
    first = await pid_of(lanes)
    async with lanes.lane() as one, lanes.lane() as other:
        assert one.info.backend_pid == first != other.info.backend_pid
        waiting = asyncio.ensure_future(pid_of(lanes))
        await asyncio.sleep(0.05)
        assert not waiting.done()
    assert await waiting in (first, other.info.backend_pid)
    await lanes.close()


async def test_a_lane_on_which_something_went_wrong_is_not_lent_again(scene: Scene) -> None:
    lanes = Lanes(scene.database)
    first = await pid_of(lanes)
    with pytest.raises(psycopg.errors.DivisionByZero):
        async with lanes.lane() as connection:
            await connection.execute("SELECT 1 / 0")
    assert connection.closed
    assert await pid_of(lanes) != first
    await lanes.close()


async def test_an_enqueue_after_the_server_ended_every_connection_just_works(scene: Scene) -> None:
    await scene.enqueue(new())
    scene.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
    )
    await scene.store.enqueue([new()])
    assert len(scene.rows("SELECT 1 FROM tidegate.jobs")) == 2


def test_threads_share_lanes_too(scene: Scene) -> None:
    lanes = BlockingLanes(scene.database)
    with lanes.lane() as connection:
        first = connection.info.backend_pid
    scene.execute(f"SELECT pg_terminate_backend({first}, 10000)")
    with lanes.lane() as connection:
        second = connection.info.backend_pid
    with pytest.raises(psycopg.errors.DivisionByZero), lanes.lane() as connection:
        connection.execute("SELECT 1 / 0")
    with lanes.lane() as connection:
        third = connection.info.backend_pid
    lanes.close()
    assert len({first, second, third}) == 3
