"""queues.yaml as text, turned into plain values that know where they were written. The one module that knows ruamel.yaml.

Read by the rules of YAML 1.2's core schema: `on`, `no` and `1:30` are text. Of YAML's further features aliases are followed, within
bounds; tags, merge keys and second documents are refused. What is wrong is collected, not raised, so that one look tells all of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from tidegate.settings.problems import Place, Problem
from tidegate.settings.words import Path, shown

__all__ = ["Document", "read_yaml"]

DEEPEST: Final = 20  # levels; the deepest key of a queue is on the fourth
MOST_VALUES: Final = 20_000  # after aliases are followed: a thousand queues with every key written out


@dataclass(slots=True)
class Document:
    """What a file says (None when that is no mapping), where it says it, and what is wrong with its text."""

    values: dict[str, Any] | None = None
    keys: dict[Path, Place] = field(default_factory=dict)
    places: dict[Path, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def read_yaml(text: str, file: str, expand: Callable[[str], str]) -> Document:
    """Return what `text` says, every scalar passed through `expand`; positions in it are told as lines of `file`."""
    reader = _Reader(file, expand)
    try:
        root = reader.compose(text)
        if root is not None:
            reader.take(root)
    except _Stop as stop:
        reader.document.problems.append(stop.problem)
        reader.document.values = None
    return reader.document


@dataclass(slots=True)
class _Scalar:
    text: str
    plain: bool
    place: Place


@dataclass(slots=True)
class _Sequence:
    place: Place
    items: list[_Node] = field(default_factory=list)


@dataclass(slots=True)
class _Mapping:
    place: Place
    items: list[tuple[_Node, _Node]] = field(default_factory=list)


_Node = _Scalar | _Sequence | _Mapping
_NOTHING: Final = object()  # a value that was refused; what is wrong with it is told already


class _Stop(Exception):
    """The text cannot be read any further."""

    def __init__(self, place: Place, sentence: str) -> None:
        super().__init__(sentence)
        self.problem = Problem(place, (), sentence)


class _Reader:
    def __init__(self, file: str, expand: Callable[[str], str]) -> None:
        self.document = Document()
        self._file = file
        self._expand = expand
        self._anchors: dict[str, _Node | None] = {}
        self._composed = self._taken = 0

    def compose(self, text: str) -> _Node | None:
        """Return the tree of the one document in `text`; None for an empty text."""
        root: _Node | None = None
        events = self._events(text)
        for event in events:
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    raise _Stop(self._place(event), "a second document begins here; the file holds one")
                root = self._node(next(events), events, depth=1)
        if root is None or (isinstance(root, _Scalar) and root.plain and not root.text):
            self.document.problems.append(Problem(Place(self._file, 1, 1), (), "the file is empty; declare `queues:`"))
            return None
        return root

    def take(self, root: _Node) -> None:
        """Fill the document from the tree."""
        if not isinstance(root, _Mapping):
            value = self._value(root, ())
            sentence = f"expected a mapping of settings (`queues:`, `jobs:`, ...), got {shown(value)}"
            self.document.problems.append(Problem(root.place, (), sentence))
            return
        self.document.values = self._mapping(root, ())

    def _events(self, text: str) -> Iterator[Event]:
        try:
            yield from YAML(typ="rt", pure=True).parse(text)
        except ReaderError as error:
            before = text[: error.position]
            place = Place(self._file, before.count("\n") + 1, error.position - before.rfind("\n"))
            raise _Stop(place, f"the character U+{ord(text[error.position]):04X} is not allowed in YAML") from None
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = Place(self._file, mark.line + 1, mark.column + 1) if mark else Place(self._file, 1, 1)
            raise _Stop(place, _in_words(error.problem or error.context or "it cannot be parsed")) from None
        except YAMLError as error:
            raise _Stop(Place(self._file, 1, 1), f"not valid YAML: {error}") from None

    def _node(self, event: Event, events: Iterator[Event], depth: int) -> _Node:
        place = self._place(event)
        if depth > DEEPEST:
            raise _Stop(place, f"nested more than {DEEPEST} levels deep")
        self._composed += 1
        if self._composed > 2 * MOST_VALUES:  # a key counts, too
            raise _Stop(place, f"the file holds more than {MOST_VALUES:,} values")
        if isinstance(event, AliasEvent):
            return self._aliased(event.anchor, place)
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if tag:
            sentence = f"tags ({tag.replace('tag:yaml.org,2002:', '!!')}) are not used here; write the value alone"
            raise _Stop(place, sentence)
        if anchor:
            self._anchors[anchor] = None
        node = self._content(event, events, place, depth)
        if anchor:
            self._anchors[anchor] = node
        return node

    def _content(self, event: Event, events: Iterator[Event], place: Place, depth: int) -> _Node:
        match event:
            case MappingStartEvent():
                mapping = _Mapping(place)
                while not isinstance(key := next(events), MappingEndEvent):
                    key_node = self._node(key, events, depth + 1)
                    mapping.items.append((key_node, self._node(next(events), events, depth + 1)))
                return mapping
            case SequenceStartEvent():
                sequence = _Sequence(place)
                while not isinstance(item := next(events), SequenceEndEvent):
                    sequence.items.append(self._node(item, events, depth + 1))
                return sequence
            case _:
                return _Scalar(getattr(event, "value", ""), plain=getattr(event, "style", None) is None, place=place)

    def _aliased(self, anchor: str, place: Place) -> _Node:
        if anchor not in self._anchors:
            raise _Stop(place, f"the alias *{anchor} has no anchor &{anchor} above it")
        node = self._anchors[anchor]
        if node is None:
            raise _Stop(place, f"the alias *{anchor} stands inside what it repeats")
        return node

    def _value(self, node: _Node, path: Path) -> Any:
        self._taken += 1
        if self._taken > MOST_VALUES or len(path) > DEEPEST:  # deeper than what is written only through aliases
            raise _Stop(node.place, f"the file holds more than {MOST_VALUES:,} values once its aliases are followed")
        self.document.places[path] = node.place
        match node:
            case _Scalar():
                return self._scalar(node, path)
            case _Sequence():
                values = [self._value(item, (*path, at)) for at, item in enumerate(node.items)]
                return _NOTHING if _NOTHING in values else values
            case _Mapping():
                return self._mapping(node, path)

    def _scalar(self, node: _Scalar, path: Path) -> Any:
        try:
            text = self._expand(node.text)
        except ValueError as error:
            self.document.problems.append(Problem(node.place, path, str(error)))
            return _NOTHING
        return resolve(text) if node.plain else text

    def _mapping(self, node: _Mapping, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.items:
            key = self._key(key_node, path)
            if key is None:
                continue
            here = (*path, key)
            if here in self.document.keys:
                first = self.document.keys[here].line
                self.document.problems.append(Problem(key_node.place, here, f"written twice; the first is in line {first}"))
                continue
            self.document.keys[here] = key_node.place
            value = self._value(value_node, here)
            if isinstance(value_node, _Scalar) and value_node.plain and not value_node.text:
                self.document.places[here] = key_node.place  # what is left empty would be told by the line after it
            if value is not _NOTHING:
                values[key] = value
        return values

    def _key(self, node: _Node, path: Path) -> str | None:
        match node:
            case _Scalar(text="<<", plain=True):
                sentence = "merge keys (<<) are not part of YAML 1.2; write what queues share under `defaults`"
            case _Scalar(plain=True) if not isinstance(resolve(node.text), str):
                sentence = f"a key must be text, got {shown(resolve(node.text))}; quote it"
            case _Scalar():
                return node.text
            case _:
                sentence = f"a key must be text, got {'a list' if isinstance(node, _Sequence) else 'a mapping'}"
        self.document.problems.append(Problem(node.place, path, sentence))
        return None

    def _place(self, event: Event) -> Place:
        return Place(self._file, event.start_mark.line + 1, event.start_mark.column + 1)


def resolve(text: str) -> str | int | float | bool | None:
    """Return what an unquoted scalar means by YAML 1.2's core schema."""
    if text in {"", "~", "null", "Null", "NULL"}:
        return None
    if text.lower() in {"true", "false"} and text in {text.lower(), text.title(), text.upper()}:
        return text.lower() == "true"
    if re.fullmatch("[-+]?[0-9]{1,30}", text):  # longer ones stay text: no key takes them, and int() is slow on them
        return int(text)
    if re.fullmatch("[-+]?([.][0-9]{1,30}|[0-9]{1,30}([.][0-9]{0,30})?)([eE][-+]?[0-9]{1,3})?", text):
        return float(text)
    return text


def _in_words(problem: str) -> str:
    """Return ruamel's words for a syntax error, with the usual cause where there is one."""
    for words, sentence in _CAUSES.items():
        if words in problem:
            return sentence
    return f"not valid YAML: {problem}"


_CAUSES: Final = {
    "'\\t'": "a tab cannot indent; use spaces",
    "mapping values are not allowed": "not valid YAML: no key can stand here; check the indentation, quote a text that holds `: `",
    "expected <block end>": "not valid YAML: this does not fit what stands before it; check indentation and quotes",
    "but got '{'": "not valid YAML: inside {...} and [...] a text that holds a brace, such as ${NAME}, must be quoted",
    "cannot start any token": "not valid YAML: a text that begins with @, ` or % must be quoted",
    "could not find expected ':'": "not valid YAML: a key without its colon",
    "end of stream": "not valid YAML: a quote that is opened here or above is not closed",
    "'<stream end>'": "not valid YAML: a bracket that is opened here or above is not closed",
}
