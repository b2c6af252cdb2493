"""Which code is the application's own, told from the names of files.

A bug is looked for in one's own code, so that frames of the standard library, of installed packages and of Tidegate itself do not
tell one failure from another. A package of the jobs modules is the application's wherever it is installed.
"""

from __future__ import annotations

import re
import sysconfig
from collections.abc import Iterable
from functools import lru_cache
from pathlib import PurePath
from typing import Final

__all__ = ["Application"]

_INSTALLED: Final = re.compile(r"[/\\](?:site|dist)-packages[/\\](?P<inside>.+)$")
_STANDARD: Final = re.compile(r"[/\\]lib(?:64)?[/\\]python\d\.\d+[/\\]")
_STDLIB: Final = tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")})
_OURS: Final = str(PurePath(__file__).parent.parent)


class Application:
    """The code of those who wrote the jobs: `modules` are the jobs modules, whose packages are theirs even where installed."""

    def __init__(self, modules: Iterable[str] = ()) -> None:
        self._packages = tuple(dict.fromkeys(_package(module) for module in modules))
        self.owns = lru_cache(maxsize=4_096)(self._owns)
        """Tell whether the code of a file is the application's."""

    def __repr__(self) -> str:
        return f"<Application {', '.join(self._packages) or 'of unknown packages'}>"

    def _owns(self, filename: str) -> bool:
        if filename.startswith("<frozen "):
            return False
        if installed := _INSTALLED.search(filename):
            return self._has(installed["inside"])
        if filename.startswith(_OURS):
            return self._has(f"tidegate{filename.removeprefix(_OURS)}")
        return not (filename.startswith(_STDLIB) or _STANDARD.search(filename))

    def _has(self, inside: str) -> bool:
        dotted = inside.removesuffix(".py").replace("\\", ".").replace("/", ".")
        return any(dotted == package or dotted.startswith(f"{package}.") for package in self._packages)


def _package(module: str) -> str:
    """Return the package that a jobs module stands for: the outermost one, but of Tidegate's only the part that holds jobs."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "tidegate" else parts[0]
