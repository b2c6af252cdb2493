"""Whom the server runs as: this process's user, or, as root, whom PostgreSQL refuses to serve, another existing user."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tidegate.errors import ConfigurationError
from tidegate.store.embedded import trouble

__all__ = ["ENTER", "Account", "account_of", "may", "reaches", "run_as", "server_account"]

ENTER = 1  # the execute bit of a folder


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the operating system."""

    uid: int
    gid: int
    name: str

    @property
    def other(self) -> bool:
        """Whether this is not the user that this process runs as."""
        return self.uid != os.geteuid()


def server_account(data: Path | None = None) -> Account:
    """Return whom the server runs as: this user; as root the owner of `data` if that exists, else `postgres` or `nobody`."""
    if os.geteuid() != 0:
        return account_of(os.geteuid())
    if data is not None and data.is_dir() and (owner := data.stat().st_uid) != 0:
        return account_of(owner)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid, name)
    raise ConfigurationError(
        "PostgreSQL does not run as root, and neither user 'postgres' nor 'nobody' exists to run it",
        hint=f"run as a plain user, or {trouble.ELSEWHERE}",
    )


def account_of(uid: int) -> Account:
    """Return the user with this id; it need not have an entry in the user database."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return Account(uid, os.getegid(), f"uid {uid}")
    return Account(uid, entry.pw_gid, entry.pw_name)


def reaches(account: Account, folder: Path) -> bool:
    """Whether `account` can pass through `folder` and all above it; said by modes, so an access list may say otherwise."""
    if not account.other:
        return True
    return all(may(account, step.stat(), ENTER) for step in (folder, *folder.parents))


def may(account: Account, found: os.stat_result, want: int) -> bool:
    """Whether the mode of a file grants `want` to `account`, who has no further groups."""
    if found.st_uid == account.uid:
        granted = found.st_mode >> 6
    elif found.st_gid == account.gid:
        granted = found.st_mode >> 3
    else:
        granted = found.st_mode
    return granted & want == want


def run_as(
    account: Account, words: Sequence[str | Path], *, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a short program as `account`, from a folder that everybody may enter; OSError if that may not be."""
    other = account.other
    return subprocess.run(  # noqa: S603 - PostgreSQL's programs, found by `binaries`
        words,
        user=account.uid if other else None,
        group=account.gid if other else None,
        extra_groups=[] if other else None,
        env=env,
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
