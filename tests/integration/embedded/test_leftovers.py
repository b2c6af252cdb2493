"""Data that lies outside its project, as root, goes some time after the project went."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.embedded.people import Project

from tidegate.store.embedded import EmbeddedPostgres, places
from tidegate.store.embedded.leftovers import GRACE, LABEL

pytestmark = pytest.mark.usefixtures("as_root")


@pytest.fixture(autouse=True)
def _a_place_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whoever else starts on this machine removes what he finds in the common place, and is not to find this."""
    folder = Path(tempfile.mkdtemp(prefix="tidegate it ", dir=places.persistent()))
    folder.chmod(0o755)
    monkeypatch.setattr(places, "persistent", lambda: folder)
    yield
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def deleted(_a_place_of_ones_own: None) -> Iterator[Path]:
    """The private folder of a project that was used long ago, and deleted."""
    project = Project()
    with EmbeddedPostgres(project.tidegate) as server:
        private = server.data.parent
    shutil.rmtree(project.folder)
    age(private)
    yield private
    shutil.rmtree(private, ignore_errors=True)


def age(private: Path) -> None:
    """Let it have been used before the time of grace."""
    label = private / LABEL
    then = label.stat().st_mtime - GRACE - 60
    os.utime(label, (then, then))


def start(project: Project) -> list[str]:
    said: list[str] = []
    with EmbeddedPostgres(project.tidegate, on_progress=said.append):
        pass
    return [words for words in said if words.startswith("removed")]


def test_the_next_start_of_any_project_removes_it_and_says_so(deleted: Path, own_project: Project):
    [said] = start(own_project)
    assert said.startswith(f"removed {deleted}: the data of ")
    assert not deleted.exists()
    assert own_project.data.exists()


def test_it_stays_for_a_time_of_grace(deleted: Path, own_project: Project):
    os.utime(deleted / LABEL)
    assert start(own_project) == []
    assert deleted.exists()


def test_it_stays_while_the_disk_of_its_project_is_away(deleted: Path, own_project: Project):
    label = deleted / LABEL
    then = label.stat().st_mtime
    label.write_text(label.read_text("utf-8").replace('"device": ', '"device": 9'), "utf-8")
    os.utime(label, (then, then))
    assert start(own_project) == []
    assert deleted.exists()


def test_it_stays_while_a_server_runs_on_it(deleted: Path, own_project: Project):
    (deleted / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n{deleted}\n0\n5432\n\n\n\nready\n")
    assert start(own_project) == []
    assert deleted.exists()


def test_what_its_project_still_tells_of_stays_however_old(own_project: Project):
    other = Project()
    try:
        start(other)
        private = other.data.parent
        age(private)
        assert start(own_project) == []
        assert private.exists()
        (other.tidegate / "place.json").unlink()  # it would start with other data
        assert len(start(own_project)) == 1
        assert not private.exists()
    finally:
        other.remove()


def test_what_carries_no_label_is_not_touched(deleted: Path, own_project: Project):
    (deleted / LABEL).unlink()
    assert start(own_project) == []
    assert deleted.exists()
