"""The systemd template of examples/: it starts a node that can drain before it is killed."""

from __future__ import annotations

import configparser
import shlex
from pathlib import Path

import pytest

from tidegate.cli.program import program
from tidegate.settings import Settings

UNIT = Path(__file__).parents[2] / "examples" / "systemd" / "tidegate@.service"


@pytest.fixture
def service() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's names have capitals
    parser.read(UNIT, "utf-8")
    return parser["Service"]


def test_its_command_line_is_one_that_tidegate_takes(service: configparser.SectionProxy) -> None:
    command, *words = shlex.split(service["ExecStart"].replace("%i", "1"))
    assert command.endswith("/bin/tidegate")
    assert words[0] == "up"
    context = program.make_context("tidegate", ["up"])
    up = program.get_command(context, "up")
    assert up is not None
    assert up.make_context("up", words[1:], parent=context).params["metrics_port"] == 9461


def test_it_has_time_to_drain(service: configparser.SectionProxy) -> None:
    assert float(service["TimeoutStopSec"]) > Settings().drain_timeout
    assert service["KillMode"] == "mixed"
