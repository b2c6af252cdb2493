"""Which versions run here: Tidegate's, Python's, and the application's, so that an error can be told to have come with a release.

The application's is what `app_version` says, else the git revision of the folder of queues.yaml, else the version of the installed
package that the jobs modules are in. git itself is not asked: it may not be installed where the application runs.
"""

from __future__ import annotations

import logging
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from tidegate import __version__
from tidegate.settings import Settings

__all__ = ["Versions", "git_revision", "package_version", "versions_of"]

logger = logging.getLogger("tidegate.versions")

SHORT: Final = 12  # digits of a git revision; as many as git itself shows in a large repository


@dataclass(frozen=True, slots=True)
class Versions:
    """What runs on this node; `app` is None where nothing tells it."""

    tidegate: str
    python: str
    app: str | None

    def as_json(self) -> dict[str, str | None]:
        """Return the promised shape."""
        return asdict(self)


def versions_of(settings: Settings) -> Versions:
    """Return the versions that run here."""
    app = settings.app_version or git_revision(settings.folder) or package_version(settings.jobs)
    return Versions(__version__, platform.python_version(), app)


def git_revision(folder: Path) -> str | None:
    """Return the commit that is checked out in `folder` or in one above it; None where there is none."""
    try:
        for above in (folder.resolve(), *folder.resolve().parents):
            place = above / ".git"
            if place.exists():
                revision = _head(_repository(place))
                return revision[:SHORT] if revision else None
    except (OSError, UnicodeDecodeError) as error:
        logger.debug("the git revision of %s cannot be read: %s", folder, error)
    return None


def package_version(modules: Sequence[str]) -> str | None:
    """Return the version of the installed package that the first of these modules belongs to."""
    packages = metadata.packages_distributions() if modules else {}
    for module in modules:
        for name in packages.get(module.partition(".")[0], []):
            return metadata.version(name)
    return None


def _repository(place: Path) -> Path:
    """Return the folder of a repository; in a worktree `.git` is a file that names it."""
    if place.is_dir():
        return place
    return (place.parent / place.read_text("utf-8").removeprefix("gitdir:").strip()).resolve()


def _head(repository: Path) -> str | None:
    head = (repository / "HEAD").read_text("utf-8").strip()
    if not head.startswith("ref:"):
        return head
    ref = head.removeprefix("ref:").strip()
    common = repository / "commondir"
    shared = (repository / common.read_text("utf-8").strip()).resolve() if common.exists() else repository
    for place in (repository / ref, shared / ref):
        if place.exists():
            return place.read_text("utf-8").strip()
    packed = shared / "packed-refs"
    for line in packed.read_text("utf-8").splitlines() if packed.exists() else ():
        revision, _, name = line.partition(" ")
        if name == ref:
            return revision
    return None
