"""The application's version, read from where git and packages keep it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tidegate import __version__
from tidegate.runtime.versions import git_revision, package_version, versions_of
from tidegate.settings import Settings


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    git(folder, "init", "--quiet", "-b", "main")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "one")
    return folder


def test_the_revision_that_is_checked_out(repository: Path) -> None:
    revision = git(repository, "rev-parse", "HEAD")
    assert git_revision(repository) == revision[:12]
    inner = repository / "jobs" / "mail"
    inner.mkdir(parents=True)
    assert git_revision(inner) == revision[:12]


def test_a_packed_reference(repository: Path) -> None:
    git(repository, "pack-refs", "--all")
    assert git_revision(repository) == git(repository, "rev-parse", "HEAD")[:12]


def test_a_detached_head_and_a_worktree(repository: Path) -> None:
    git(repository, "worktree", "add", "--quiet", "-b", "side", str(repository.parent / "side"))
    git(repository, "checkout", "--quiet", "--detach")
    git(repository.parent / "side", "commit", "--quiet", "--allow-empty", "-m", "two")
    assert git_revision(repository) == git(repository, "rev-parse", "HEAD")[:12]
    assert git_revision(repository.parent / "side") == git(repository.parent / "side", "rev-parse", "HEAD")[:12]


def test_a_repository_without_a_commit_or_that_cannot_be_read_tells_nothing(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    assert git_revision(tmp_path) is None
    (tmp_path / ".git" / "HEAD").write_bytes(b"\xff\xfe")
    assert git_revision(tmp_path) is None
    (tmp_path / ".git" / "HEAD").unlink()
    assert git_revision(tmp_path) is None


def test_the_version_of_the_package_that_the_jobs_are_in() -> None:
    assert package_version(["nowhere.jobs", "click.testing"]) is not None
    assert package_version(["nowhere.jobs"]) is None
    assert package_version([]) is None


def test_what_the_settings_say_goes_before_all() -> None:
    found = versions_of(Settings(app_version="1.4.2")).as_json()
    assert (found["app"], found["tidegate"]) == ("1.4.2", __version__)
    assert found["python"].startswith("3.")
