"""Where each setting came from: what `config show --origin` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from tidegate.settings.database_url import mask_url
from tidegate.settings.layers import Layer, holder
from tidegate.settings.words import Path, dotted

__all__ = ["Origin", "as_tree", "origins"]

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Origin:
    """One value that holds, and where it was written."""

    path: Path
    value: Any
    """As JSON has it; times are seconds, sizes bytes, the database's password is masked."""
    where: str
    """`argument`, `environment NAME`, `queues.yaml:14` or `default`; what a queue inherits adds ` (defaults)`."""

    @property
    def key(self) -> str:
        """The path as `queues.email.timeout`."""
        return dotted(self.path)


def origins(settings: BaseModel, resolved: Mapping[str, Mapping[str, BaseModel]], layers: Sequence[Layer]) -> list[Origin]:
    """Return the origin of every value of `settings`, what has names (its queues, its circuits) as `resolved`."""
    values = settings.model_dump(mode="json") | {
        key: {name: value.model_dump(mode="json") for name, value in named.items()} for key, named in resolved.items()
    }
    return [_origin(path, value, layers) for path, value in _leaves(values, ())]


def as_tree(origins: Sequence[Origin]) -> dict[str, Any]:
    """Return the values as the tree that queues.yaml is, fit to be printed."""
    tree: dict[str, Any] = {}
    for origin in origins:
        at = tree
        for part in origin.path[:-1]:
            at = at.setdefault(str(part), {})
        at[str(origin.path[-1])] = origin.value
    tree.setdefault("queues", {})
    return tree


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    else:
        yield path, value


def _origin(path: Path, value: Any, layers: Sequence[Layer]) -> Origin:
    if path == ("database",):
        value = mask_url(value)
    if (layer := holder(layers, path)) is not None:
        return Origin(path, value, layer.place(path).in_short)
    match path:
        case ("queues", _, *inner) if (layer := holder(layers, shared := ("defaults", *inner))) is not None:
            return Origin(path, value, f"{layer.place(shared).in_short} (defaults)")
        case ("circuits", _, *inner) if (layer := holder(layers, shared := ("defaults", "circuit", *inner))) is not None:
            return Origin(path, value, f"{layer.place(shared).in_short} (defaults)")
        case _:
            return Origin(path, value, DEFAULT)
