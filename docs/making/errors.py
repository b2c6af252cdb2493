"""docs/reference/errors.md, made from the classes of the errors."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Final

from making.words import code, table
from tidegate import errors
from tidegate.cli.help import EXIT_CODES
from tidegate.stages import errors as stages
from tidegate.supervision import errors as supervision

HEAD: Final = """\
# Errors

Made from the classes by `make schema`; a test holds it current.

An error states facts and the way out: `str(error)` is the sentence, `error.hint` what to do about it (or None), `error.exit_code`
what the command line ends with, and the facts stay on it as attributes. All of them are `tidegate.TidegateError`; the classes are
imported from the modules below. [What they look like](wrong-moves.md) when somebody is mistaken.

What a handler may return or raise to say what becomes of its job (`Retry`, `Snooze`, `Cancel`, `Dead`) is no error.

"""
SECTIONS: Final = ((errors, "What programs and the command line meet"), (stages, "Of stages"), (supervision, "Of supervision"))


def page() -> str:
    """Return the page as Markdown."""
    parts = [HEAD]
    for module, title in SECTIONS:
        rows = [(code(cls.__name__), _parent(cls), _exit(cls), _facts(cls), _meaning(cls)) for cls in _classes(module)]
        parts += [f"## {title}: `{module.__name__}`\n\n", table(("class", "is a", "exit", "facts", "meaning"), rows), "\n"]
    codes = ((code(str(number)), meaning) for number, meaning in EXIT_CODES.items())
    return "".join([*parts, "## Exit codes\n\n", table(("code", "meaning"), codes)])


def _classes(module: ModuleType) -> Iterator[type[BaseException]]:
    found = vars(module).values()
    yield from (
        each for each in found if inspect.isclass(each) and issubclass(each, Exception) and each.__module__ == module.__name__
    )


def _parent(cls: type[BaseException]) -> str:
    return code(cls.__bases__[0].__name__)


def _exit(cls: type[BaseException]) -> str:
    return code(str(getattr(cls, "exit_code", ""))) if hasattr(cls, "exit_code") else ""


def _meaning(cls: type[BaseException]) -> str:
    """Return the docstring, without the numbers of rules that only the code speaks of."""
    return re.sub(r" \([A-Z]\d+(?:, [A-Z]\d+)*\)", "", inspect.getdoc(cls) or "")


def _facts(cls: type[BaseException]) -> str:
    """Return the attributes that a class's own constructor keeps."""
    made = cls.__dict__.get("__init__")
    if made is None:
        return ""
    names = dict.fromkeys(name for name in made.__code__.co_names if name in inspect.signature(made).parameters)
    return ", ".join(code(name) for name in names if name != "hint")
