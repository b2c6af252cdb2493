"""Mending the arguments of a dead letter, and its meta: what an editor shows of them, and what is stored of what comes back.

Secrets are shown as `[redacted]`. What comes back as it was shown keeps its value, so that nobody needs to see a secret, or have it
in a file, to mend the rest of a call.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tidegate.errors import InvalidArguments, InvalidJob, UsageError
from tidegate.handlers.codec import dumps, loads
from tidegate.handlers.signature import Signature
from tidegate.redaction import REDACTED

__all__ = ["Corrected", "Correction"]

EXAMPLE: Final = '{"args": [1, "a"], "kwargs": {"name": "value"}}'


@dataclass(frozen=True, slots=True)
class Corrected:
    """A call as it is meant, its meta (None: none), and the names of what changed."""

    args: bytes
    meta: bytes | None
    changed: list[str]


class Correction:
    """One letter's call under correction: `shown` for an editor, `corrected` for what comes back from it.

    What is shown has the `meta` where there is any; what comes back without it leaves it as it is.
    """

    def __init__(
        self, stored: str, shown: Any, *, meta: str | None = None, shown_meta: Any = None, positional: Sequence[str] = ()
    ) -> None:
        self.shown = shown
        self._stored = _read(stored)
        self._meta = None if meta is None else _read(meta)
        self._shown_meta = shown_meta
        self._positional = positional

    @property
    def text(self) -> str:
        """The call for an editor: JSON on several lines, with everything that would act on a terminal written out."""
        with_meta = isinstance(self.shown, Mapping) and self._shown_meta
        shown = {**self.shown, "meta": self._shown_meta} if with_meta else self.shown
        text = json.dumps(shown, indent=2, ensure_ascii=False)
        return "".join(each if each.isprintable() or each == "\n" else json.dumps(each)[1:-1] for each in text)

    def corrected(self, text: str, signature: Signature) -> Corrected:
        """Return the call that is meant; an error names what does not fit."""
        call = _call(text)
        meta = _restored(call.pop("meta", self._shown_meta), self._shown_meta, self._meta, "meta")
        whole = {name: _restored(value, _of(self.shown, name), _of(self._stored, name), name) for name, value in call.items()}
        kept = dumps({name: value for name, value in whole.items() if value}).encode()
        try:
            signature.decode(kept)
        except InvalidJob as error:
            problem = str(error).partition(" do not decode: ")[2] or str(error)
            raise InvalidArguments(signature.kind, [problem], hint=f"{signature.kind} takes {signature}") from None
        changed = [*self._changed(whole), *([] if _same(meta or {}, self._meta or {}) else ["meta"])]
        return Corrected(kept, dumps(meta).encode() if meta else None, changed)

    def _changed(self, call: Mapping[str, Any]) -> Iterator[str]:
        before, after = _list(_of(self._stored, "args")), _list(call.get("args"))
        for place in range(max(len(before), len(after))):
            if place >= min(len(before), len(after)) or not _same(before[place], after[place]):
                yield self._positional[place] if place < len(self._positional) else f"argument {place + 1}"
        named, now = _of(self._stored, "kwargs"), call.get("kwargs") or {}
        named = named if isinstance(named, Mapping) else {}
        for name in dict.fromkeys((*named, *now)):
            if name not in named or name not in now or not _same(named[name], now[name]):
                yield str(name)


def _read(stored: str) -> Any:
    try:
        return loads(stored)
    except (ValueError, RecursionError):  # what does not read is replaced as a whole
        return None


def _call(text: str) -> dict[str, Any]:
    try:
        call = loads(text)
    except RecursionError:
        raise UsageError("the arguments are nested too deeply") from None
    except ValueError as error:
        raise UsageError(f"the arguments are not JSON: {error}", hint=f"for example {EXAMPLE}") from None
    if not isinstance(call, dict) or not call.keys() <= {"args", "kwargs", "meta"}:
        raise UsageError('the arguments are an object with the array "args" and the object "kwargs"', hint=f"for example {EXAMPLE}")
    if not isinstance(call.get("meta", {}), dict):
        raise UsageError('"meta" is an object')
    if not isinstance(call.get("args", []), list) or not isinstance(call.get("kwargs", {}), dict):
        raise UsageError('"args" is an array and "kwargs" an object', hint=f"for example {EXAMPLE}")
    return call


def _restored(edited: Any, shown: Any, stored: Any, path: str) -> Any:
    """Return what is meant by an edited value: what was left as it was shown is what is stored."""
    if _same(edited, shown) and (stored is None or not _same(stored, shown) or not _holds_redacted(stored)):
        return stored
    if isinstance(edited, dict) and isinstance(shown, Mapping) and isinstance(stored, Mapping):
        return {
            name: _restored(value, shown.get(name), stored.get(name), f"{path}.{name}") if name in shown and name in stored else
            _plain(value, f"{path}.{name}")
            for name, value in edited.items()
        }  # fmt: skip
    if (
        isinstance(edited, list)
        and isinstance(shown, list)
        and isinstance(stored, list)
        and len(edited) == len(shown) == len(stored)
    ):
        together = zip(edited, shown, stored, strict=True)
        return [_restored(one, two, three, f"{path}[{at}]") for at, (one, two, three) in enumerate(together)]
    return _plain(edited, path)


def _plain(value: Any, path: str) -> Any:
    if _holds_redacted(value):
        raise UsageError(
            f"{path} holds {REDACTED}, and what that stood for is not known here",
            hint="write the value in full, or leave it where it was and as it was shown",
        )
    return value


def _holds_redacted(value: Any) -> bool:
    return REDACTED in dumps(value)


def _same(one: Any, other: Any) -> bool:
    """True is not 1 here, and 1 is not 1.0."""
    return dumps(one) == dumps(other)


def _of(call: Any, name: str) -> Any:
    return call.get(name) if isinstance(call, Mapping) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
