"""A store on each PostgreSQL, with a registered node."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.store.scene import Scene
from tidegate.store.postgres import PostgresStore, make_engine


@pytest.fixture
async def scene(postgres: str) -> AsyncIterator[Scene]:
    engine = make_engine(postgres)
    store = PostgresStore(postgres, engine)
    await store.make_partitions()
    scene = Scene(store, postgres)
    await scene.node("n1")
    yield scene
    await scene.close()
    await store.close()
