"""Settings from the environment: every key of every declared queue has a variable, and a variable that fits no key is an error.

`TIDEGATE_QUEUES__EMAIL__TIMEOUT` is `queues.email.timeout`; a dash in a queue's name is written `_`, and case does not matter. An
empty variable counts as not set, as it comes out of `NAME=${NAME:-}`. `DATABASE_URL` is read where `TIDEGATE_DATABASE` is not set.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, get_origin

from tidegate.errors import nearest
from tidegate.settings.absent import QUEUE, TOP, absent
from tidegate.settings.keys import EACH, is_group, nodes
from tidegate.settings.layers import Layer
from tidegate.settings.problems import Place, Problem
from tidegate.settings.words import Path, dotted, listed

__all__ = ["READ_ELSEWHERE", "read_environment"]

PREFIX: Final = "TIDEGATE_"

READ_ELSEWHERE: Final[Mapping[str, str]] = {
    "TIDEGATE_CONFIG": "the path of queues.yaml, where no --config is given",
}
"""Variables with the prefix that are no setting -> what they are."""


def read_environment(model: Any, environ: Mapping[str, str], declared: Mapping[str, Sequence[str]]) -> tuple[Layer, list[Problem]]:
    """Return what `environ` says of `model`'s keys and of the declared queues and circuits, and what is wrong with its names."""
    layer, problems = Layer({}, {}, {}), []
    ours = {name: value.strip() for name, value in sorted(environ.items()) if name.upper().startswith(PREFIX)}
    known = _variables(model, declared) if ours else {}
    for name, value in ours.items():
        if name.upper() in READ_ELSEWHERE:
            continue
        match known.get(name.upper(), []):
            case []:
                problems.append(Problem(_place(name), (), _unknown(name.upper(), known, declared)))
            case [(path, annotation)] if value:
                problems += _put(layer, name, path, annotation, value, known)
            case [_]:
                pass
            case several:
                paths = listed((dotted(path) for path, _ in several), "or")
                problems.append(Problem(_place(name), (), f"could mean {paths}; rename one of the {several[0][0][0]}"))
    if environ.get("DATABASE_URL") and "database" not in layer.values:
        layer.put(("database",), environ["DATABASE_URL"], _place("DATABASE_URL"))
    return layer, problems


_Known = dict[str, list[tuple[Path, Any]]]


def _variables(model: Any, declared: Mapping[str, Sequence[str]]) -> _Known:
    """Return the variables that have a meaning, each with the keys it stands for: more than one is a clash of names."""
    known: _Known = {}
    for pattern, annotation in nodes(model):
        for path in _each(pattern, declared):
            known.setdefault(_variable(path), []).append((path, annotation))
    return known


def _each(pattern: Path, declared: Mapping[str, Sequence[str]]) -> Iterator[Path]:
    if EACH not in pattern:
        return iter([pattern])
    return (tuple(name if part == EACH else part for part in pattern) for name in declared[str(pattern[0])])


def _variable(path: Path) -> str:
    return PREFIX + "__".join(str(part).replace("-", "_").upper() for part in path)


def _put(layer: Layer, name: str, path: Path, annotation: Any, value: str, known: _Known) -> Iterator[Problem]:
    whole = annotation.spread(value) if is_group(annotation) else value
    if _holds_keys(annotation) and not isinstance(whole, Mapping) and not _has_shorthand(annotation):
        inside = [key for key, meant in known.items() if key.startswith(f"{name.upper()}__") and not _holds_keys(meant[0][1])]
        such_as = f", such as {inside[0]}" if inside else ""
        yield Problem(_place(name), (), f"{dotted(path)} is a group of keys; set them one by one{such_as}")
        return
    layer.put(path, _listed(value) if get_origin(annotation) is tuple else whole, _place(name))


def _holds_keys(annotation: Any) -> bool:
    origin = get_origin(annotation)
    return is_group(annotation) or (isinstance(origin, type) and issubclass(origin, Mapping))


def _has_shorthand(annotation: Any) -> bool:
    return is_group(annotation) and annotation.shorthand is not None


def _listed(value: str) -> Any:
    """A list is written as its items, separated by commas, or as JSON."""
    if value.startswith("["):
        with suppress(ValueError):
            return json.loads(value)
    return [part.strip() for part in value.split(",") if part.strip()]


def _unknown(name: str, known: _Known, declared: Mapping[str, Sequence[str]]) -> str:
    later = [(key,) for key in TOP] + [(*group, key) for group in _groups(declared["queues"]) for key in QUEUE]
    for path in later:
        if name == _variable(path) or name.startswith(f"{_variable(path)}__"):
            return f"{dotted(path)} {absent(path)}"
    for key, names in declared.items():
        if name.startswith(f"{_variable((key,))}__") and not any(name.startswith(f"{_variable((key, each))}__") for each in names):
            return f"sets a {key.removesuffix('s')} that is not declared; {_other(name, key, names)}"
    single = [key for key, meant in known.items() if not _holds_keys(meant[0][1])]
    close = nearest(name.removeprefix(PREFIX), [key.removeprefix(PREFIX) for key in [*single, *READ_ELSEWHERE]])
    return f"unknown variable; did you mean {PREFIX}{close[0]}?" if close else "unknown variable"


def _other(name: str, key: str, names: Sequence[str]) -> str:
    each = f"{_variable((key,))}__"
    word, *rest = name.removeprefix(each).split("__")
    if close := nearest(word, [_variable((other,)).removeprefix(PREFIX) for other in names]):
        return f"did you mean {each}{'__'.join([close[0], *rest])}?"
    return f"declared are {listed(names)}" if names else f"no {key.removesuffix('s')} is declared"


def _groups(queues: Sequence[str]) -> list[Path]:
    return [("defaults",), *(("queues", queue) for queue in queues)]


def _place(name: str) -> Place:
    return Place(f"environment {name}")
