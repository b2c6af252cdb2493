"""Which functions may run as jobs here: those of the allowed modules, and nothing else.

The modules are imported once, when `Handlers` is made. A kind that comes out of the table is looked up among what was found then;
it never leads to an import, an attribute of an attribute, or a function that was merely imported by an allowed module.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from tidegate.errors import ConfigurationError, UnknownKind, UnknownQueue
from tidegate.handlers.decorator import JobFunction
from tidegate.handlers.handler import Handler, handler_of
from tidegate.handlers.spec import kind_of, place_of

__all__ = ["Handlers"]


class Handlers:
    """The handlers of the modules that queues.yaml allows."""

    def __init__(self, modules: Sequence[str], *, path: Path | None = None) -> None:
        if path is not None and str(path.resolve()) not in sys.path:
            sys.path.insert(0, str(path.resolve()))
        self.modules = tuple(modules)
        found = [_imported(name, path) for name in self.modules]
        self._functions: dict[str, Any] = {}
        """Every kind and alias, with the @job or the plain function behind it."""
        for function in _jobs_in(found):
            for name in (function.kind, *function.spec.aliases):
                self._add(name, function)
        for function in _plain_functions_in(found):
            self._add(kind_of(function), function)
        self._jobs = tuple(_jobs_in(found))
        for each in self._jobs:
            handler_of(each)  # a signature that cannot hold is an error of the configuration, not of the first job

    def __repr__(self) -> str:
        return f"<Handlers {len(self._functions)} kinds of {', '.join(self.modules) or 'no modules'}>"

    def kinds(self) -> tuple[str, ...]:
        """Return every kind that this node may claim: of each @job its kind and aliases, of each public function its name."""
        return tuple(self._functions)

    def resolve(self, kind: str) -> Handler:
        """Return the handler of a kind, an alias, or `module:function` of an allowed module; nothing is imported for it."""
        function = self._functions.get(kind)
        if function is None:
            raise UnknownKind(kind, self.kinds(), hint=self._hint(kind))
        return handler_of(function)

    def check_queues(self, declared: Sequence[str]) -> None:
        """Refuse a @job that names a queue which queues.yaml does not declare."""
        for each in self._jobs:
            if each.spec.queue is not None and each.spec.queue not in declared:
                raise UnknownQueue(each.spec.queue, declared, where=f"{place_of(each)}: @job of {each.kind}")

    def _add(self, name: str, function: Any) -> None:
        other = self._functions.setdefault(name, function)
        if other is not function:
            raise ConfigurationError(
                f"two functions claim the job kind {name!r}: {kind_of(other)} ({place_of(other)}) and "
                f"{kind_of(function)} ({place_of(function)})",
                hint="give one of them another name with @job(kind=...)",
            )

    def _hint(self, kind: str) -> str | None:
        renamed = next((each.kind for each in self._jobs if kind_of(each) == kind), None)
        if renamed is not None:
            return f"its @job names it {renamed!r}; @job(aliases=[{kind!r}]) keeps the old name alive"
        module, colon, name = kind.partition(":")
        if colon and module not in self.modules:
            return f"{module} is not among the modules that `jobs:` in queues.yaml allows: {', '.join(self.modules) or 'none'}"
        if colon:
            return f"{module} defines no public function {name!r} at its top level that could run as a job"
        return None


def _imported(name: str, path: Path | None) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name is not None and f"{name}.".startswith(f"{error.name}."):
            where = f"{path.resolve()} or on the Python path" if path is not None else "on the Python path"
            raise ConfigurationError(f"there is no jobs module {name!r}", hint=f"it was looked for in {where}") from None
        raise ConfigurationError(f"the jobs module {name!r} cannot be imported:\n{_story(error)}") from error


def _story(error: BaseException) -> str:
    """Return the traceback without the frames of the import machinery and ours, as the author of the module would see it."""
    story = traceback.TracebackException.from_exception(error)
    part: traceback.TracebackException | None = story
    while part is not None:
        kept = [each for each in part.stack if each.filename != __file__ and "importlib" not in Path(each.filename).parts]
        part.stack = traceback.StackSummary.from_list([each for each in kept if not each.filename.startswith("<frozen importlib")])
        part = part.__cause__ or part.__context__
    return "".join(story.format()).rstrip()


def _jobs_in(modules: Sequence[ModuleType]) -> Iterator[JobFunction[..., Any]]:
    seen: dict[int, JobFunction[..., Any]] = {}
    for module in modules:
        seen.update((id(each), each) for each in vars(module).values() if isinstance(each, JobFunction))
    yield from seen.values()


def _plain_functions_in(modules: Sequence[ModuleType]) -> Iterator[Any]:
    for module in modules:
        for name, each in vars(module).items():
            if inspect.isfunction(each) and _is_public(name, each, module) and not _yields(each):
                yield each


def _is_public(name: str, function: Any, module: ModuleType) -> bool:
    """Say whether a function was defined at the top level of this very module, under this very name, for everybody."""
    return not name.startswith("_") and function.__module__ == module.__name__ and function.__qualname__ == name


def _yields(function: Any) -> bool:
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
