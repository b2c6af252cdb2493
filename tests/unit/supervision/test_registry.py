"""The rules R1-R4."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from tidegate.supervision import (
    AlreadyRegistered,
    DeadOwner,
    FunctionChild,
    NotRegistered,
    Registered,
    Registry,
    Unregistered,
    spawn,
)
from tidegate.testing import run_virtual


async def born(seconds=100):
    child = FunctionChild(asyncio.sleep, seconds)
    await child.start()
    return child


def task(seconds=100):
    return spawn(asyncio.sleep(seconds), name="owner")


def test_r1_a_key_has_one_owner():
    async def main():
        registry = Registry()
        owner = await born()
        registry.register("k", owner, 7)
        with pytest.raises(AlreadyRegistered) as refusal:
            registry.register("k", await born())
        return refusal.value.owner is owner, registry.whereis("k") is owner

    assert run_virtual(main()) == (True, True)


def test_r1_an_owner_does_not_take_its_key_twice():
    async def main():
        registry, owner = Registry(), await born()
        registry.register("k", owner)
        registry.register("k", owner)

    with pytest.raises(AlreadyRegistered):
        run_virtual(main())


def test_r1_duplicate_keys_have_any_number_of_owners():
    async def main():
        registry = Registry(unique=False)
        first, second = await born(), task()
        for owner in (first, second, first):
            registry.register("k", owner, "v")
        return [entry.owner for entry in registry.lookup("k")] == [first, second, first], registry.whereis("k") is first

    assert run_virtual(main()) == (True, True)


@pytest.mark.parametrize("make", ["child", "task"])
def test_r2_entries_vanish_when_their_owner_ends(make, settle):
    async def main():
        registry = Registry()
        owner = await born(1) if make == "child" else task(1)
        for key in "abc":
            registry.register(key, owner)
        await asyncio.sleep(0.5)
        before = registry.count()
        await asyncio.sleep(0.5)
        await settle()
        return before, registry.count(), registry.keys(owner)

    assert run_virtual(main()) == (3, 0, [])


@pytest.mark.parametrize("make", ["child", "task"])
def test_r2_whereis_never_returns_a_dead_one_although_lookup_may(make):
    async def main():
        registry = Registry()
        owner = await born() if make == "child" else task()
        registry.register("k", owner)
        await asyncio.sleep(0)
        running = owner._task if make == "child" else owner
        seen = []
        running.add_done_callback(lambda _: seen.append((len(registry.lookup("k")), registry.whereis("k"))))
        running.cancel()
        await asyncio.wait({running})
        return seen

    assert run_virtual(main())[0][1] is None


def test_r2_a_key_of_a_dead_owner_is_free_at_once():
    async def main():
        registry, first = Registry(), task()
        registry.register("k", first)
        first.cancel()
        await asyncio.wait({first})
        second = task()
        registry.register("k", second)
        await asyncio.sleep(1)
        return registry.whereis("k") is second

    assert run_virtual(main())


def test_r2_a_killed_child_frees_its_key_even_when_it_does_not_end(settle):
    async def deaf():
        while True:
            try:
                await asyncio.sleep(5)
                return
            except asyncio.CancelledError:
                continue

    async def main():
        registry, first = Registry(), FunctionChild(deaf)
        await first.start()
        await settle()
        registry.register("k", first)
        first.kill()
        second = await born()
        registry.register("k", second)
        await asyncio.sleep(6)
        return registry.whereis("k") is second

    assert run_virtual(main())


def test_r2_a_dead_owner_cannot_register():
    async def main():
        registry, owner = Registry(), task(0)
        await owner
        registry.register("k", owner)

    with pytest.raises(DeadOwner):
        run_virtual(main())


def test_r3_dispatch_calls_with_all_entries_here_and_now():
    async def main():
        registry, seen = Registry(unique=False), []
        for number in range(3):
            registry.register("k", task(), number)
        registry.dispatch("k", lambda entries: seen.extend(entry.value for entry in entries))
        registry.dispatch("nobody", seen.append)
        return seen

    assert run_virtual(main()) == [0, 1, 2]


def test_r4_keys_and_values_of_an_owner():
    async def main():
        registry, owner = Registry(unique=False), task()
        for key, value in (("a", 1), ("b", 2), ("a", 3)):
            registry.register(key, owner, value)
        registry.register("a", task(), 4)
        return registry.keys(owner), registry.values("a", owner), registry.count()

    assert run_virtual(main()) == (["a", "a", "b"], [1, 3], 4)


def test_r4_unregister_takes_one_owner_or_all():
    async def main():
        registry, first, second = Registry(unique=False), task(), task()
        for owner in (first, second):
            registry.register("a", owner)
            registry.register("b", owner)
        registry.unregister("a", first)
        registry.unregister("b")
        registry.unregister("nobody")
        return [entry.owner for entry in registry.lookup("a")] == [second], registry.lookup("b")

    assert run_virtual(main()) == (True, [])


def test_r4_update_value_is_for_the_owner():
    async def main():
        registry, owner = Registry(), task()
        registry.register("k", owner, 1)
        new = registry.update_value("k", owner, lambda old: old + 1)
        with pytest.raises(NotRegistered):
            registry.update_value("k", task(), lambda old: 0)
        return new, registry.lookup("k")[0].value

    assert run_virtual(main()) == (2, 2)


@dataclass
class Facts:
    queue: str
    busy: bool = False


def test_r4_select_matches_key_owner_value_and_what_is_in_it():
    async def main():
        registry = Registry(unique=False)
        owners = [task() for _ in range(3)]
        for owner, key, value in zip(owners, "abc", ({"queue": "email"}, Facts("email"), 7), strict=True):
            registry.register(key, owner, value)

        def keys(**where):
            return "".join(entry.key for entry in registry.select(**where))

        return (
            keys(),
            keys(queue="email"),
            keys(queue="email", busy=False),
            keys(value=7),
            keys(owner=owners[0]),
            keys(key="b"),
            keys(x=1),
        )

    assert run_virtual(main()) == ("abc", "ab", "b", "c", "a", "b", "")


def test_r4_listeners_hear_of_registrations_and_their_ends(settle):
    heard = []

    async def main():
        registry, owner = Registry(), task(1)
        leave = registry.subscribe(heard.append)
        registry.register("k", owner, 7)
        await asyncio.sleep(2)
        leave()
        leave()
        registry.register("k", task())

    run_virtual(main())
    assert [(type(event), event.entry.key, event.entry.value) for event in heard] == [(Registered, "k", 7), (Unregistered, "k", 7)]


def test_r4_a_listener_that_raises_is_logged_and_disturbs_nobody(caplog):
    heard = []

    def bad(event):
        raise KeyError(event)

    async def main():
        registry = Registry()
        registry.subscribe(bad)
        registry.subscribe(heard.append)
        registry.register("k", task())
        return len(heard)

    assert run_virtual(main()) == 1
    assert "a listener of <Registry unique keys=1 entries=1> raised" in caplog.text


def test_r4_meta_is_free_for_whoever_shares_it():
    registry = Registry()
    registry.meta["owner"] = "tests"
    assert registry.meta == {"owner": "tests"}
