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
from typing import Any, Final

from tidegate.errors import ConfigurationError, TidegateError, UnknownKind, UnknownQueue
from tidegate.handlers.decorator import JobFunction
from tidegate.handlers.handler import Handler, handler_of
from tidegate.handlers.spec import kind_of, place_of
from tidegate.pipelines import Pipeline

__all__ = ["Handlers"]


class Handlers:
    """The handlers of the modules that queues.yaml allows."""

    def __init__(self, modules: Sequence[str], *, path: Path | None = None) -> None:
        if path is not None and str(path.resolve()) not in sys.path:
            sys.path.insert(0, str(path.resolve()))
        self.modules = tuple(modules)
        found = [_imported(name, path) for name in self.modules]
        self._handlers: dict[str, Handler] = {}
        """Every kind and alias, with the handler behind it."""
        self._unfit: dict[str, str] = {}
        """Plain functions that cannot be jobs, and why."""
        self._jobs = tuple(_jobs_in(found))
        self._pipelines = _pipelines_in(found)
        for function in self._jobs:
            for name in (function.kind, *function.spec.aliases):
                self._add(name, handler_of(function))
        for plain in _plain_functions_in(found):
            try:
                handler = handler_of(plain)
            except ConfigurationError as error:
                self._unfit[kind_of(plain)] = str(error)
            else:
                self._add(handler.kind, handler)

    def __repr__(self) -> str:
        return f"<Handlers {len(self._handlers)} kinds of {', '.join(self.modules) or 'no modules'}>"

    def kinds(self) -> tuple[str, ...]:
        """Return every kind that this node may claim: of each @job its kind and aliases, of each public function its name."""
        return tuple(self._handlers)

    def declared(self) -> tuple[str, ...]:
        """Return the kinds, and aliases, of functions with a @job: plain functions may run as jobs and perhaps never do."""
        return tuple(name for each in self._jobs for name in (each.kind, *each.spec.aliases))

    def resolve(self, kind: str) -> Handler:
        """Return the handler of a kind, an alias, or `module:function` of an allowed module; nothing is imported for it."""
        handler = self._handlers.get(kind)
        if handler is None:
            raise UnknownKind(kind, self.kinds(), hint=self._hint(kind))
        return handler

    def pipeline(self, queue: str) -> Pipeline | None:
        """Return the pipeline of a queue, if it has one."""
        return self._pipelines.get(queue)

    def check_queues(self, declared: Sequence[str]) -> None:
        """Refuse a @job or a @pipeline that names a queue which queues.yaml does not declare, and steps that cannot be."""
        for line in self._pipelines.values():
            if line.queue not in declared:
                raise UnknownQueue(line.queue, declared, where=f"{line.place}: @pipeline")
            line.steps()
        for each in self._jobs:
            if each.spec.queue is not None and each.spec.queue not in declared:
                raise UnknownQueue(each.spec.queue, declared, where=f"{place_of(each)}: @job of {each.kind}")

    def _add(self, name: str, handler: Handler) -> None:
        other = self._handlers.setdefault(name, handler)
        if other is not handler:
            raise ConfigurationError(
                f"two functions claim the job kind {name!r}: {_shown(other)} and {_shown(handler)}",
                hint="give one of them another name with @job(kind=...)",
            )

    def _hint(self, kind: str) -> str | None:
        renamed = next((each.kind for each in self._jobs if kind_of(each) == kind), None)
        if renamed is not None:
            return f"its @job names it {renamed!r}; @job(aliases=[{kind!r}]) keeps the old name alive"
        module, colon, name = kind.partition(":")
        if colon and module not in self.modules:
            return f"{module} is not among the modules that `jobs:` in queues.yaml allows: {', '.join(self.modules) or 'none'}"
        if kind in self._unfit:
            return f"it cannot be a job: {self._unfit[kind]}"
        if colon:
            return f"{module} defines no public function {name!r} at its top level that could run as a job"
        return None


def _shown(handler: Handler) -> str:
    return f"{kind_of(handler.function)} ({place_of(handler.function)})"


def _imported(name: str, path: Path | None) -> ModuleType:
    importlib.invalidate_caches()  # the module may be younger than the last look into its folder
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name is not None and f"{name}.".startswith(f"{error.name}."):
            where = f"{path.resolve()} or on the Python path" if path is not None else "on the Python path"
            raise ConfigurationError(f"there is no jobs module {name!r}", hint=f"it was looked for in {where}") from None
        hint = error.hint if isinstance(error, TidegateError) else None
        raise ConfigurationError(f"the jobs module {name!r} cannot be imported:\n{_story(error)}", hint=hint) from error


def _story(error: BaseException) -> str:
    """Return the traceback without the frames of the import machinery and ours, as the author of the module would see it."""
    story = traceback.TracebackException.from_exception(error)
    part: traceback.TracebackException | None = story
    while part is not None:
        part.stack = traceback.StackSummary.from_list([each for each in part.stack if not each.filename.startswith(_MACHINERY)])
        part = part.__cause__ or part.__context__
    return "".join(story.format()).rstrip()


_MACHINERY: Final = (
    "<frozen importlib",
    importlib.__file__,
    str(Path(__file__).parent),
    "<string>",  # code that dataclasses write for themselves
)


def _jobs_in(modules: Sequence[ModuleType]) -> Iterator[JobFunction[..., Any]]:
    seen: dict[int, JobFunction[..., Any]] = {}
    for module in modules:
        seen.update((id(each), each) for each in vars(module).values() if isinstance(each, JobFunction))
    yield from seen.values()


def _pipelines_in(modules: Sequence[ModuleType]) -> dict[str, Pipeline]:
    found: dict[str, Pipeline] = {}
    for each in (each for module in modules for each in vars(module).values() if isinstance(each, Pipeline)):
        other = found.setdefault(each.queue, each)
        if other is not each:
            raise ConfigurationError(
                f"queue {each.queue} has two pipelines: {other.place} and {each.place}", hint="put the steps of both into one"
            )
    return found


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
