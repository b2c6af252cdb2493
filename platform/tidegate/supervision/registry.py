"""Who answers to which name, within one process (R1-R4).

Entries vanish when their owner ends. That takes a few turns of the loop, so `lookup` may still show an owner that has just ended;
`whereis` never returns one. The platform's WorkerRegistry, fleet-wide and in the database, is another thing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from tidegate.supervision.child import Child
from tidegate.supervision.errors import AlreadyRegistered, DeadOwner, NotRegistered
from tidegate.supervision.extras import alive
from tidegate.supervision.tasks import spawn

__all__ = ["Entry", "Owner", "Registered", "Registry", "RegistryEvent", "Unregistered"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
Owner: TypeAlias = Child | asyncio.Task[Any]

logger = logging.getLogger("tidegate.supervision")


@dataclass(frozen=True, slots=True)
class Entry(Generic[V]):
    """One registration."""

    key: Hashable
    owner: Owner
    value: V | None = None


@dataclass(frozen=True, slots=True)
class Registered:
    """A key was taken."""

    entry: Entry[Any]


@dataclass(frozen=True, slots=True)
class Unregistered:
    """A key was given up, or its owner ended."""

    entry: Entry[Any]


RegistryEvent: TypeAlias = Registered | Unregistered


class Registry(Generic[K, V]):
    """Keys and their owners: one live owner a key when `unique`, any number otherwise. Owners are tasks, or children that run."""

    def __init__(self, *, unique: bool = True) -> None:
        self.unique = unique
        self.meta: dict[Hashable, Any] = {}
        """Free for whoever shares the registry."""
        self._entries: dict[K, list[Entry[V]]] = {}
        self._watched: dict[int, Owner] = {}  # by identity: an owner need not be hashable
        self._listeners: list[Callable[[RegistryEvent], None]] = []

    def __repr__(self) -> str:
        return f"<Registry {'unique' if self.unique else 'duplicate'} keys={len(self._entries)} entries={self.count()}>"

    def register(self, key: K, owner: Owner, value: V | None = None) -> None:
        """Give `key` to `owner` until it ends; `AlreadyRegistered` where another one lives under it."""
        if not _lives(owner):
            raise DeadOwner(key, owner)
        if self.unique:
            for entry in self.lookup(key):
                if _lives(entry.owner):
                    raise AlreadyRegistered(key, entry.owner)
                self._drop(key, entry)  # dead, and its end has not been heard yet
        entry = Entry(key, owner, value)
        self._entries.setdefault(key, []).append(entry)
        self._watch(owner)
        self._announce(Registered(entry))

    def unregister(self, key: K, owner: Owner | None = None) -> None:
        """Take `key` from `owner`, or from everybody who has it; nothing happens where nobody does."""
        for entry in self.lookup(key):
            if owner is None or entry.owner is owner:
                self._drop(key, entry)

    def whereis(self, key: K) -> Owner | None:
        """Return who has `key`, never one that has ended; with duplicate keys the one that has had it longest."""
        return next((entry.owner for entry in self.lookup(key) if _lives(entry.owner)), None)

    def lookup(self, key: K) -> list[Entry[V]]:
        """Return the entries of `key`, the oldest first."""
        return list(self._entries.get(key, ()))

    def keys(self, owner: Owner) -> list[K]:
        """Return the keys that `owner` has, each as often as it has it."""
        return [key for key, entries in self._entries.items() for entry in entries if entry.owner is owner]

    def values(self, key: K, owner: Owner) -> list[V | None]:
        """Return what `owner` has registered under `key`."""
        return [entry.value for entry in self.lookup(key) if entry.owner is owner]

    def count(self) -> int:
        """Return the number of entries."""
        return sum(len(entries) for entries in self._entries.values())

    def select(self, **where: Any) -> list[Entry[V]]:
        """Return the entries that match in all that is named: `key`, `owner`, `value`, or an item or attribute of the value."""
        every = [entry for entries in self._entries.values() for entry in entries]
        return [entry for entry in every if all(_matches(entry, name, wanted) for name, wanted in where.items())]

    def update_value(self, key: K, owner: Owner, update: Callable[[V | None], V]) -> V:
        """Replace the value that `owner` has under `key`, and return the new one; `NotRegistered` where it has none."""
        entries = self._entries.get(key, [])
        for index, entry in enumerate(entries):
            if entry.owner is owner:
                value = update(entry.value)
                entries[index] = Entry(key, owner, value)
                return value
        raise NotRegistered(key, owner)

    def dispatch(self, key: K, fn: Callable[[list[Entry[V]]], None]) -> None:
        """Call `fn`, here and now, with the entries of `key`, unless there are none."""
        if entries := self.lookup(key):
            fn(entries)

    def subscribe(self, fn: Callable[[RegistryEvent], None]) -> Callable[[], None]:
        """Call `fn` with every registration and its end from now on; the returned function ends that."""
        self._listeners.append(fn)
        return lambda: self._listeners.remove(fn) if fn in self._listeners else None

    def _watch(self, owner: Owner) -> None:
        if id(owner) in self._watched:
            return
        self._watched[id(owner)] = owner
        task = owner if isinstance(owner, asyncio.Task) else spawn(_end_of(owner), name=f"registry's watch over {owner!r}")
        task.add_done_callback(lambda _: self._bury(owner))

    def _bury(self, owner: Owner) -> None:
        self._watched.pop(id(owner), None)
        for key in dict.fromkeys(self.keys(owner)):
            self.unregister(key, owner)

    def _drop(self, key: K, entry: Entry[V]) -> None:
        entries = [other for other in self._entries.get(key, ()) if other is not entry]
        if entries:
            self._entries[key] = entries
        else:
            self._entries.pop(key, None)
        self._announce(Unregistered(entry))

    def _announce(self, event: RegistryEvent) -> None:
        for listener in list(self._listeners):
            try:
                listener(event)
            except Exception:
                logger.exception("a listener of %r raised on %r", self, event)


async def _end_of(child: Child) -> None:
    await child.join()


def _lives(owner: Owner) -> bool:
    return not owner.done() if isinstance(owner, asyncio.Task) else alive(owner)


def _matches(entry: Entry[Any], name: str, wanted: object) -> bool:
    if name in {"key", "owner", "value"}:
        return bool(getattr(entry, name) == wanted)
    if isinstance(entry.value, Mapping):
        return name in entry.value and bool(entry.value[name] == wanted)
    return hasattr(entry.value, name) and bool(getattr(entry.value, name) == wanted)
