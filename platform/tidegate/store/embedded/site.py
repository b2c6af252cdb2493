"""A project's `.tidegate/`: the files in it, and what its keeper tells there."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tidegate.errors import ConfigurationError
from tidegate.store.embedded import trouble
from tidegate.store.embedded.accounts import account_of

__all__ = ["Running", "Site", "open_site"]


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers; told by its keeper, and true while that keeper holds its lock."""

    keeper: int
    postmaster: int
    socket: Path
    data: Path


@dataclass(frozen=True, slots=True)
class Site:
    """The folder, resolved, and what lies in it."""

    folder: Path

    @property
    def lock(self) -> Path:
        """The file whose bytes are the locks (see `locks`); empty, and never removed."""
        return self.folder / "lock"

    @property
    def log(self) -> Path:
        """What keeper and server write."""
        return self.folder / "postgresql.log"

    @property
    def name(self) -> str:
        """The name of this site's cluster: in the title of each of its processes, and of its socket's folder.

        The lock file's own number is in it, so that a folder that was removed while it was in use, and made again, is another site.
        """
        told = os.fsencode(self.folder) + str(self.lock.stat().st_ino).encode()
        return f"tidegate-{hashlib.sha256(told).hexdigest()[:8]}"

    def publish(self, running: Running) -> None:
        """Tell that a server answers, and where."""
        told = asdict(running)
        write_whole(self._server, {**told, "socket": str(running.socket), "data": str(running.data)})

    def withdraw(self) -> None:
        """Take the word back."""
        self._server.unlink(missing_ok=True)

    def running(self) -> Running | None:
        """Return what was published last; whether it still holds is for the locks to say."""
        told = read(self._server)
        try:
            return Running(int(told["keeper"]), int(told["postmaster"]), Path(told["socket"]), Path(told["data"]))
        except (KeyError, TypeError, ValueError):
            return None

    def place(self) -> Path | None:
        """Return the data folder that lies elsewhere, if this site says so."""
        told = read(self._place).get("data")
        return Path(told) if told else None

    def tell_place(self, data: Path, *, user: str) -> None:
        """Say that the data lies elsewhere."""
        write_whole(self._place, {"data": str(data), "why": f"user {user}, who runs PostgreSQL for root, cannot reach this folder"})

    @property
    def _server(self) -> Path:
        return self.folder / "server.json"

    @property
    def _place(self) -> Path:
        return self.folder / "place.json"


def open_site(folder: Path) -> Site:
    """Return the site of `folder`, made if need be: private, of this process's user, and invisible to git."""
    with trouble.translated(folder):
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            pass
        except FileNotFoundError as error:
            raise ConfigurationError(f"{folder.parent} does not exist", hint="make the project's folder first") from error
        folder = folder.resolve()
        found = folder.stat()
        if not stat.S_ISDIR(found.st_mode):
            raise ConfigurationError(f"{folder} is not a folder", hint="move it away: the embedded database keeps its data there")
        if found.st_uid != os.geteuid():
            raise trouble.foreign_owner(folder, owner=account_of(found.st_uid).name, user=account_of(os.geteuid()).name)
        ignore = folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    return Site(folder)


def write_whole(path: Path, content: Mapping[str, object]) -> None:
    """Put `content` at `path` so that a reader sees all of it or what was there before."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def read(path: Path) -> dict[str, str]:
    """Return the JSON object at `path`; an empty one where there is none."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}
