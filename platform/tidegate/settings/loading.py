"""From arguments, environment and file to one valid tree: `load` either returns it or tells everything that is wrong.

pydantic-settings merges the sources key by key, the first one that says something winning: arguments, environment, file, defaults.
What was refused is taken out and the rest judged again until nothing new is found, so that one wrong key hides no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path as FilePath
from typing import Any, Final, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from tidegate.errors import ConfigurationError
from tidegate.settings.environment import read_environment
from tidegate.settings.expansion import expand
from tidegate.settings.keys import spread
from tidegate.settings.layers import Layer, holder
from tidegate.settings.problems import InvalidSettings, Place, Problem
from tidegate.settings.sentences import Finding, findings
from tidegate.settings.words import Path
from tidegate.settings.yaml_source import Document, read_yaml

__all__ = ["LayerSource", "find_file", "load"]

USUAL_FILE: Final = "queues.yaml"
LARGEST_FILE: Final = 256 * 1024  # bytes: five thousand queues, read in two seconds

BY_NAME: Final = ("queues", "circuits")
"""The keys that hold things by name."""

WAYS_TO_A_FILE: Final = "`tidegate init` writes a queues.yaml; `--config PATH` and TIDEGATE_CONFIG name another file"

S = TypeVar("S", bound=BaseSettings)


class LayerSource(PydanticBaseSettingsSource):
    """A layer, as pydantic-settings takes it."""

    def __init__(self, model: type[BaseSettings], layer: Layer) -> None:
        super().__init__(model)
        self._layer = layer

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - the promised shape
        """Return the layer's word for one field."""
        return self._layer.values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the layer's whole tree."""
        return self._layer.values


def find_file(path: FilePath | str | None, environ: Mapping[str, str]) -> FilePath | None:
    """Return the file to read: the one named, else TIDEGATE_CONFIG's, else the working directory's queues.yaml if it is there."""
    if path is not None:
        return FilePath(path)
    if named := environ.get("TIDEGATE_CONFIG"):
        if not FilePath(named).exists():
            raise ConfigurationError(f"environment TIDEGATE_CONFIG: {named}: there is no such file", hint=WAYS_TO_A_FILE)
        return FilePath(named)
    usual = FilePath(USUAL_FILE)
    return usual if usual.exists() else None


def load(
    model: type[S], file: FilePath | None, environ: Mapping[str, str], arguments: Mapping[str, Any]
) -> tuple[S, tuple[Layer, ...]]:
    """Return the settings and the sources they came from, first the strongest; raise InvalidSettings with all that is wrong."""
    said = Layer({key: value for key, value in arguments.items() if value is not None}, {}, {(): Place("argument")})
    document = _read(file, environ) if file is not None else Document({})
    if document.values is None:
        raise InvalidSettings(document.problems)
    written = Layer(document.values, document.keys, document.places)
    for layer in (said, written):
        layer.values = spread(model, layer.values)
    set_outside, problems = read_environment(model, environ, _declared(said, written))
    layers = (said, set_outside, written)
    settings, refused = _judge(model, layers, [*document.problems, *problems])
    if refused or settings is None:
        raise InvalidSettings(sorted(refused, key=partial(_rank, str(file))))
    return settings, layers


def _read(file: FilePath, environ: Mapping[str, str]) -> Document:
    try:
        with file.open("rb") as opened:
            raw = opened.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise ConfigurationError(f"{file}: there is no such file", hint=WAYS_TO_A_FILE) from None
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read: {error.strerror}") from None
    if len(raw) > LARGEST_FILE:
        raise ConfigurationError(f"{file}: larger than {LARGEST_FILE // 1024} KiB, which no list of queues is")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8", "replace")
        place = Place(str(file), before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise InvalidSettings([Problem(place, (), f"the byte 0x{raw[error.start]:02x} is not UTF-8 text")]) from None
    return read_yaml(text, str(file), partial(expand, environ=environ))


def _declared(*layers: Layer) -> dict[str, list[str]]:
    """Return the names under the keys that hold things by name."""
    return {key: list(dict.fromkeys(name for layer in layers for name in _names(layer.values.get(key)))) for key in BY_NAME}


def _names(named: Any) -> Iterable[str]:
    return named if isinstance(named, Mapping) else ()


def _judge(model: type[S], layers: tuple[Layer, ...], problems: list[Problem]) -> tuple[S | None, list[Problem]]:
    """Validate until nothing new is found; every round takes at least one refused key out, so it ends."""
    while True:
        try:
            return model(sources=tuple(LayerSource(model, layer) for layer in layers)), problems
        except ValidationError as error:
            found = list(findings(error, model))
        gone = [problem.path for problem in problems if holder(layers, problem.path) is None]
        problems += [_problem(finding, layers) for finding in found if not _follows(finding.path, gone)]
        taken = [_take_out(finding.path, layers) for finding in found]
        if not any(taken):
            return None, problems


def _problem(finding: Finding, layers: tuple[Layer, ...]) -> Problem:
    layer = holder(layers, finding.path) or layers[-1]
    return Problem(layer.place(finding.path, of_key=finding.with_key), finding.path, finding.sentence)


def _follows(path: Path, gone: list[Path]) -> bool:
    """Tell whether a finding may only be there because a key that was refused before is missing now, in its group or its heirs."""
    groups = [path]
    match path:
        case ("queues", _, first, *inner):
            groups.append(("defaults", first, *inner))
        case _:
            pass
    return any(before[: len(group)] == group for before in gone for group in groups)


def _take_out(path: Path, layers: tuple[Layer, ...]) -> bool:
    while path and holder(layers, path) is None:
        path = path[:-1]  # a text that stands for a list of one: it is refused as a whole
    layer = holder(layers, path)
    if layer is None or not path:
        return False
    if len(path) == 2 and path[0] in BY_NAME and not isinstance(layer.values[path[0]][path[1]], Mapping):
        layer.values[path[0]][path[1]] = {}  # it stays declared, whatever was wrong with what it holds
    else:
        layer.drop(path)
    return True


def _rank(file: str, problem: Problem) -> tuple[bool, Place]:
    return problem.place.source != file, problem.place
