"""Figures of machine, container and process, each on its own."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from tidegate.runtime.surroundings import Surroundings


def test_the_promised_figures_are_there() -> None:
    reading = Surroundings().read()
    assert set(reading.system) == {"load", "cpu_count", "cpu_percent", "memory_total", "memory_available", "container"}
    assert set(reading.process) == {"pid", "rss", "threads", "open_files", "uptime"}
    assert reading.missing == {}
    assert len(reading.system["load"]) == 3
    assert reading.system["memory_total"] >= reading.system["memory_available"] > 0
    assert reading.process["pid"] == os.getpid()
    assert reading.process["rss"] > 10**6
    assert reading.process["threads"] >= 1
    assert reading.process["open_files"] > 2
    assert 0 < reading.process["uptime"] < 86_400 * 365


def test_a_figure_that_cannot_be_had_says_why_and_takes_no_other_along(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> None:
        raise psutil.AccessDenied(1)

    def silent() -> None:
        raise OSError

    monkeypatch.setattr(psutil, "virtual_memory", refuses)
    monkeypatch.setattr(os, "getloadavg", silent)
    reading = Surroundings().read()
    assert (reading.system["memory_total"], reading.system["load"]) == (None, None)
    assert reading.missing["system.memory"].startswith("AccessDenied")
    assert reading.missing["system.load"] == "OSError"
    assert reading.process["rss"] > 0


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"memory.max": "max\n", "cpu.max": "max 100000\n"}, None),
        (
            {"memory.max": "1073741824\n", "memory.current": "1024\n", "cpu.max": "150000 100000\n"},
            {"memory_limit": 1073741824, "memory_used": 1024, "cpu_limit": 1.5},
        ),
        (
            {"memory/memory.limit_in_bytes": "1073741824\n", "memory/memory.usage_in_bytes": "2048\n"},
            {"memory_limit": 1073741824, "memory_used": 2048, "cpu_limit": None},
        ),
        ({"memory/memory.limit_in_bytes": "9223372036854771712\n"}, None),
    ],
)
def test_the_limits_of_the_container(tmp_path: Path, files: dict[str, str], expected: object) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert Surroundings(cgroups=tmp_path).read().system["container"] == expected
