"""A store with a registered node: on each PostgreSQL, and for what every store must do in memory, too."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.conftest import VERSIONS
from tests.store.scene import MemoryScene, Scene
from tests.support.postgres import Server
from tidegate.store.postgres import PostgresStore, make_engine
from tidegate.testing.memory import MemoryDatabase, MemoryStore


@asynccontextmanager
async def on_postgres(database: str) -> AsyncIterator[Scene]:
    store = PostgresStore(database, make_engine(database))
    await store.make_partitions()
    scene = Scene(store, database)
    await scene.node("n1")
    yield scene
    await scene.close()
    await store.close()


@pytest.fixture
async def scene(postgres: str) -> AsyncIterator[Scene]:
    async with on_postgres(postgres) as scene:
        yield scene


@pytest.fixture
def postgres_scene(scene: Scene) -> Scene:
    """What only a PostgreSQL can do, beside tests that any store must pass."""
    return scene


@pytest.fixture(params=[*VERSIONS, "memory"])
async def any_scene(request: pytest.FixtureRequest, servers: Callable[[str], tuple[Server, str]]) -> AsyncIterator[Scene]:
    if request.param == "memory":
        scene = MemoryScene(MemoryStore(MemoryDatabase(time.monotonic)))
        await scene.node("n1")
        yield scene
        return
    server, template = servers(request.param)
    database = server.create_database(template)
    async with on_postgres(database) as scene:
        yield scene
    server.drop_database(database)
