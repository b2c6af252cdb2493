"""Data that outlived its project: as root it lies outside the project's folder, and does not go when that is deleted.

Each private folder carries a label that says whose it is, written anew at every start. Whoever starts a server as root removes what
nobody can come back to: the project is gone (or has other data now), a week has passed since its last start, and no server runs on
it. A project on a disk that is not mounted at the moment is not gone: the label also says on which device it was.
"""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import psutil

from tidegate.store.embedded.accounts import Account
from tidegate.store.embedded.cluster import pid_file
from tidegate.store.embedded.site import Site, read, write_whole

__all__ = ["GRACE", "label", "sweep"]

LABEL: Final = "site.json"
GRACE: Final = 7 * 86_400.0  # seconds since its last start: a project that was only moved starts again before


def label(private: Path, site: Site) -> None:
    """Say in a private folder whose it is, and that it is used now."""
    write_whole(private / LABEL, {"site": str(site.folder), "device": site.folder.stat().st_dev})


def sweep(own: Path, account: Account, say: Callable[[str], None]) -> None:
    """Remove what lies beside `own`, a folder that was labelled a moment ago, and belongs to no project any more."""
    now = (own / LABEL).stat().st_mtime
    for private in sorted(_labelled(own.parent, account)):
        told = read(private / LABEL)
        site = Site(Path(told.get("site", "")))
        try:
            old = now - (private / LABEL).stat().st_mtime > GRACE
        except FileNotFoundError:  # somebody else who starts removes it just now
            continue
        if old and private != own and _is_orphan(private, site, told.get("device")) and not _is_served(private):
            shutil.rmtree(private, ignore_errors=True)
            say(f"removed {private}: the data of {site.folder.parent}, which is gone")


def _labelled(root: Path, account: Account) -> Iterator[Path]:
    for private in root.glob("tidegate-*"):
        found = private.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == account.uid and (private / LABEL).is_file():
            yield private


def _is_orphan(private: Path, site: Site, device: object) -> bool:
    """Whether the project that a folder belonged to is gone from its disk, or has its data elsewhere by now."""
    if site.folder.is_dir():
        return site.place() != private / "data"
    there = next((step for step in site.folder.parents if step.is_dir()), Path("/"))
    return there.stat().st_dev == device


def _is_served(private: Path) -> bool:
    told = pid_file(private / "data")
    return told is not None and psutil.pid_exists(told.pid)
