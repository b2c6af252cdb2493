"""What is said when something goes wrong."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tidegate.errors import ConfigurationError, TidegateError, Unhealthy
from tidegate.store.embedded import refuse_windows
from tidegate.store.embedded.trouble import decisive, from_os, no_answer, server_failed, translated

PLENTY = 1 << 30
FULL = '2026-01-01 00:00:00 UTC [7] FATAL:  could not write to file "pg_wal/x": No space left on device'


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        (["LOG:  starting", "FATAL:  no", "LOG:  database system is shut down"], "FATAL:  no"),
        (["FATAL:  the first", "FATAL:  the second"], "FATAL:  the first"),
        (["PANIC:  first", FULL], FULL),
        (
            ['LOG:  unknown "x" in file "/c" line 7', 'FATAL:  configuration file "/c" contains errors'],
            'LOG:  unknown "x" in file "/c" line 7',
        ),
        (["The files will be owned by ...", "initdb: error: no", "initdb: removing contents"], "initdb: error: no"),
        (["no keyword", "", "the last one  ", " "], "the last one"),
        ([], None),
    ],
)
def test_decisive_line_is_the_first_of_the_worst_kind_else_the_last(lines: list[str], line: str | None):
    assert decisive(lines) == line


@pytest.mark.parametrize(
    ("number", "kind", "word"),
    [
        (errno.ENOSPC, Unhealthy, "full"),
        (errno.EDQUOT, Unhealthy, "full"),
        (errno.EROFS, ConfigurationError, "cannot write to /x: read-only file system"),
        (errno.EACCES, ConfigurationError, "cannot write to /x: permission denied"),
        (errno.ELOOP, ConfigurationError, "cannot use /x"),
    ],
)
def test_refusal_of_the_operating_system_becomes_an_error_with_a_way_out(number: int, kind: type[TidegateError], word: str):
    error = from_os(OSError(number, os.strerror(number)), Path("/x"))
    assert type(error) is kind
    assert word in str(error)
    assert "TIDEGATE_DATABASE" in (error.hint or "")


def test_refusal_names_the_file_that_was_refused():
    with pytest.raises(ConfigurationError, match="/there/lock"), translated(Path("/there")):
        raise PermissionError(errno.EACCES, "Permission denied", "/there/lock")


def test_server_that_ended_is_explained_by_its_log():
    error = server_failed("it did not start", ["FATAL:  wrong"], log=Path("/l"), free=PLENTY)
    assert type(error) is Unhealthy
    assert str(error) == "it did not start: FATAL:  wrong"
    assert "/l" in (error.hint or "")


def test_server_that_ended_for_a_full_disk_says_so():
    assert "disk of the embedded database is full" in str(server_failed("it did not start", [FULL], log=None, free=PLENTY))


def test_server_that_could_not_even_write_its_log_ended_for_a_full_disk():
    assert "is full: it did not start: nothing could be written" in str(server_failed("it did not start", [], log=None, free=0))


def test_data_of_another_version_is_a_matter_of_configuration():
    lines = [
        "FATAL:  database files are incompatible with server",
        "DETAIL:  The data directory was initialized by PostgreSQL version 17, which is not compatible with this version 18.6.",
    ]
    error = server_failed("it did not start", lines, log=None, free=PLENTY)
    assert type(error) is ConfigurationError
    assert "17" in str(error)
    assert "18.6" in str(error)


def test_time_out_quotes_the_log():
    error = no_answer(Path("/p"), seconds=60, doing="its keeper is process 7", lines=["one", "two"])
    assert str(error).endswith("last lines of its log:\n  one\n  two")


def test_windows_is_refused_with_the_ways_out():
    with pytest.raises(ConfigurationError, match="Windows") as caught:
        refuse_windows("win32")
    assert "WSL" in (caught.value.hint or "")
