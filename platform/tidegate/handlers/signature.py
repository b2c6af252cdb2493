"""The parameters of a handler as they travel: checked and written by who enqueues, read and checked by who runs.

Arguments stay positional or named as they came: `{"args": [...], "kwargs": {...}}`, an empty part left out. The parameter that is
annotated `JobContext` is not an argument of the call: the node fills it in. A batch handler's call has the fields of one item as
its arguments, and `decode` gives the item back whole. Every misfit of a call is named at once, in the words of the signature.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from operator import call
from typing import Any, Final, NamedTuple

from tidegate.errors import InvalidArguments, InvalidJob, TidegateError, UsageError, nearest
from tidegate.handlers.codec import ANY, Codec, Mismatch, Unstorable, codec_for, dumps, loads

__all__ = ["InvalidResult", "Parameter", "Signature"]


class InvalidResult(TidegateError):
    """A handler returned what its annotation does not say, so that it cannot be stored as its result."""


class Parameter(NamedTuple):
    """One parameter that a call may fill."""

    name: str
    codec: Codec
    required: bool = True
    by_position: bool = True
    by_name: bool = True


class Signature:
    """What a kind's calls look like; `rest` and `others` are the codecs of `*args` and `**kwargs`."""

    def __init__(
        self,
        kind: str,
        parameters: Sequence[Parameter],
        *,
        rest: Codec | None = None,
        others: Codec | None = None,
        context: str | None = None,
        result: Any = Any,
        gather: Callable[[dict[str, Any]], Any] | None = None,
    ) -> None:
        self.kind = kind
        self.parameters = tuple(parameters)
        self.context = context
        self._positions = {each.name: place for place, each in enumerate(each for each in parameters if each.by_position)}
        self._needed = frozenset(each.name for each in parameters if each.required)
        self._least = max((self._positions.get(name, sys.maxsize) + 1 for name in self._needed), default=0)
        self._required = [(each.name, self._positions.get(each.name, sys.maxsize)) for each in parameters if each.required]
        self._result_annotation = result
        self._gather = gather
        self._encoders = _Plan.of(parameters, rest, others, lambda codec: codec.encode)
        self._decoders = _Plan.of(parameters, rest, others, lambda codec: codec.decode)
        self._readers = _Plan.of(parameters, rest, others, _reader)

    @classmethod
    def unchecked(cls, kind: str) -> Signature:
        """Return the signature of a handler that cannot be seen from here: any call of JSON values fits."""
        return cls(kind, (), rest=ANY, others=ANY)

    def encode(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bytes:
        """Return the call as JSON; whatever does not fit, or would not come back exactly, is InvalidArguments."""
        positional, named = _NO_ARGS, _NO_KWARGS
        try:
            positional, named, problems = self._fit(self._encoders, args, kwargs)
            if self._gather is not None and not problems:
                self._gather(self._walk(self._decoders, positional, named)[1])  # the item's own rules
        except Mismatch as mismatch:
            problems = [mismatch.what]
        except RecursionError:
            problems = ["an argument is nested too deeply, or holds itself"]
        if problems:
            raise InvalidArguments(self.kind, problems, hint=self._hint(problems))
        return _written(positional, named).encode()

    def decode(self, data: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of a stored call, exactly as they were given; of a batch handler the one item, by position."""
        try:
            stored = loads(data.decode())
            if type(stored) is not dict or not stored.keys() <= _PARTS:
                raise Mismatch(_FORM)
            args, kwargs = stored.get("args", _NO_ARGS), stored.get("kwargs", _NO_KWARGS)
            if type(args) is not list or type(kwargs) is not dict:
                raise Mismatch(_FORM)
            positional, named, problems = self._fit(self._decoders, args, kwargs)
            if not problems and self._gather is None:
                return tuple(positional), named
            if not problems and self._gather is not None:
                return (self._gather(named),), {}
        except Mismatch as mismatch:
            problems = [mismatch.what]
        except RecursionError:
            problems = ["an argument is nested too deeply"]
        except ValueError as error:  # neither UTF-8 nor JSON
            problems = [str(error)]
        raise InvalidJob(f"{self.kind}: its stored arguments do not decode: {'; '.join(problems)}")

    def convert(
        self, words: Sequence[str], args_json: str | None, kwargs_json: str | None
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments that a command line means: `name=text` is read by the annotation of `name`."""
        args = _part("--args", args_json, list, '[1, "a"]')
        kwargs = _part("--kwargs", kwargs_json, dict, '{"user_id": 1}')
        for name, text in map(_split, words):
            if name in kwargs:
                raise UsageError(f"{name} is given twice")
            kwargs[name] = _Word(text)
        for each in self.parameters:  # who types name=text cannot know which parameters have no name
            if not each.by_name and each.name in kwargs and self._positions[each.name] == len(args):
                args.append(kwargs.pop(each.name))
        positional, named, problems = self._walk(self._readers, args, kwargs)
        if problems:
            raise InvalidArguments(self.kind, problems, hint=self._hint(problems))
        return tuple(positional), named

    def encode_result(self, value: Any) -> bytes | None:
        """Return a result as JSON by the annotation of the return value, None for None."""
        if value is None:
            return None
        try:
            return dumps(self._result.encode(value)).encode()
        except Mismatch as mismatch:
            raise InvalidResult(
                f"{self.kind}: {mismatch.sentence('its result')}",
                hint="annotate the return value with what the handler returns, or return None",
            ) from None
        except RecursionError:
            raise InvalidResult(f"{self.kind}: its result is nested too deeply, or holds itself") from None

    def decode_result(self, data: bytes | None) -> Any:
        """Return a stored result as the type that the handler returned."""
        try:
            return None if data is None else self._result.decode(loads(data.decode()))
        except (Mismatch, ValueError) as error:
            raise InvalidResult(f"{self.kind}: its stored result does not decode: {error}") from None

    @cached_property
    def _result(self) -> Codec:
        try:
            return codec_for(self._result_annotation)
        except Unstorable:  # a handler is not refused for a result that it may never return
            return ANY

    def _fit(self, plan: _Plan, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any], list[str]]:
        """Do what `_walk` does, in half of its time for calls that fit and are all by position or all by name, as most are."""
        try:
            if not kwargs and self._least <= len(args) <= len(plan.places):
                return list(map(call, plan.places, args)), {}, []
            if not args and self._needed <= kwargs.keys() <= plan.named.keys():
                return [], {name: plan.named[name](value) for name, value in kwargs.items()}, []
        except Mismatch:  # told of below, in the signature's words and with all others
            pass
        return self._walk(plan, args, kwargs)

    def _walk(self, plan: _Plan, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any], list[str]]:
        """Convert each argument by its parameter; return them with everything that is wrong."""
        positional: list[Any] = []
        named: dict[str, Any] = {}
        problems: list[str] = []
        for place, value in enumerate(args):
            name, convert = plan.positional[place] if place < len(plan.positional) else (f"argument {place + 1}", plan.rest)
            if convert is None:
                problems.append(f"takes at most {len(plan.positional)} arguments by position, got {len(args)}")
                break
            try:
                positional.append(convert(value))
            except Mismatch as mismatch:
                problems.append(mismatch.sentence(name))
        for name, value in kwargs.items():
            convert = plan.named.get(name, plan.others)
            if convert is None or name == self.context or (name in plan.named and self._positions.get(name, len(args)) < len(args)):
                problems.append(self._unexpected(name, plan))
                continue
            try:
                named[name] = convert(value)
            except Mismatch as mismatch:
                problems.append(mismatch.sentence(name))
        for name, place in self._required:
            if place >= len(args) and (name not in kwargs or name not in plan.named):
                problems.append(f"missing argument {name!r}")
        return positional, named, problems

    def _unexpected(self, name: str, plan: _Plan) -> str:
        if name == self.context:
            return f"{name!r} is the JobContext, which the node fills in: leave it out"
        if name in plan.named:
            return f"{name!r} is given twice, by position and by name"
        if name in self._positions:
            return f"{name!r} can only be given by position"
        close = nearest(name, plan.named)
        return f"unexpected argument {name!r}" + (f"; did you mean {close[0]!r}?" if close else "")

    def __str__(self) -> str:
        shown = (f"{each.name}: {each.codec.label}{'' if each.required else ' = ...'}" for each in self.parameters)
        return f"({', '.join(shown)})"

    def _hint(self, problems: Sequence[str]) -> str:
        untyped = "; a parameter must be annotated to take more than JSON values" if "not a JSON value" in "".join(problems) else ""
        return f"{self.kind} takes {self}{untyped}"


class _Plan(NamedTuple):
    """What converts the argument at each place and of each name."""

    positional: tuple[tuple[str, Callable[[Any], Any]], ...]
    places: tuple[Callable[[Any], Any], ...]
    """Those of `positional` without their names."""
    named: dict[str, Callable[[Any], Any]]
    rest: Callable[[Any], Any] | None
    others: Callable[[Any], Any] | None

    @classmethod
    def of(
        cls,
        parameters: Sequence[Parameter],
        rest: Codec | None,
        others: Codec | None,
        way: Callable[[Codec], Callable[[Any], Any]],
    ) -> _Plan:
        return cls(
            tuple((each.name, way(each.codec)) for each in parameters if each.by_position),
            tuple(way(each.codec) for each in parameters if each.by_position),
            {each.name: way(each.codec) for each in parameters if each.by_name},
            way(rest) if rest is not None else None,
            way(others) if others is not None else None,
        )


def _written(positional: list[Any], named: dict[str, Any]) -> str:
    """Return a call as JSON; its outermost object is written here, in half of the encoder's time for a small one."""
    if not named:
        return f'{{"args":{dumps(positional)}}}' if positional else "{}"
    if not positional:
        return f'{{"kwargs":{dumps(named)}}}'
    return f'{{"args":{dumps(positional)},"kwargs":{dumps(named)}}}'


class _Word(str):
    """Text of a command line, to be told from a JSON string."""

    __slots__ = ()


def _reader(codec: Codec) -> Callable[[Any], Any]:
    return lambda value: codec.parse(str(value)) if type(value) is _Word else codec.decode(value)


def _split(word: str) -> tuple[str, str]:
    name, equals, text = word.partition("=")
    if not equals or not name:
        raise UsageError(f"{word!r} is not name=value", hint="arguments without a name go into --args, as a JSON array")
    return name, text


def _part(option: str, text: str | None, kind: type, example: str) -> Any:
    if text is None:
        return kind()
    try:
        value = loads(text)
    except ValueError as error:
        raise UsageError(f"{option} is not JSON: {error}", hint=f"for example {option} '{example}'") from None
    if type(value) is not kind:
        raise UsageError(f"{option} is a JSON {'array' if kind is list else 'object'}", hint=f"for example {option} '{example}'")
    return value


_PARTS: Final = frozenset({"args", "kwargs"})
_FORM: Final = 'they are not an object with the array "args" and the object "kwargs"'
_NO_ARGS: Final[list[Any]] = []
_NO_KWARGS: Final[dict[str, Any]] = {}
