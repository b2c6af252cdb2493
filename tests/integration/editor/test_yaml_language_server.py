"""The JSON Schema in the hands of the YAML language server that editors use: it accepts what holds and underlines what does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import unavailable
from tests.support.language_server import NODE, SERVER, LanguageServer
from tests.support.pages import ROOT
from tests.unit.settings.test_schema import BAD, GOOD

from tidegate.settings.schema import SCHEMA_FILE

pytestmark = pytest.mark.long
MODELINE = f"# yaml-language-server: $schema={SCHEMA_FILE.as_uri()}\n"  # a URI: a path may have spaces
STARTER = ROOT / "platform" / "tidegate" / "cli" / "starter" / "queues.yaml"


@pytest.fixture(scope="module")
def editor() -> Iterator[LanguageServer]:
    if NODE is None or not SERVER.exists():
        unavailable("no YAML language server: install node and npm, then scripts/install-test-tools")
    with LanguageServer() as server:
        yield server


def write(folder: Path, text: str) -> Path:
    path = folder / "queues.yaml"
    path.write_text(MODELINE + text, "utf-8")
    return path


def test_the_projects_own_file_is_accepted_by_its_own_first_line(editor: LanguageServer) -> None:
    assert editor.complaints(ROOT / "queues.yaml") == []


def test_the_starters_file_is_accepted(editor: LanguageServer, tmp_path: Path) -> None:
    assert editor.complaints(write(tmp_path, STARTER.read_text("utf-8"))) == []


@pytest.mark.parametrize("name", GOOD)
def test_what_holds_is_accepted(editor: LanguageServer, tmp_path: Path, name: str) -> None:
    assert editor.complaints(write(tmp_path, json.dumps(GOOD[name]))) == []


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_hold_is_underlined(editor: LanguageServer, tmp_path: Path, name: str) -> None:
    assert editor.complaints(write(tmp_path, json.dumps(BAD[name]))) != []


def test_an_unknown_key_is_named(editor: LanguageServer, tmp_path: Path) -> None:
    path = write(tmp_path, "queues:\n  email: {timuot: 3}\n")
    assert editor.complaints(path) == ["Property timuot is not allowed."]


def test_keys_are_offered_and_explained(editor: LanguageServer, tmp_path: Path) -> None:
    path = write(tmp_path, "queues:\n  email:\n    timeout: 3\n    \n")
    assert editor.complaints(path) == []
    assert {"executor", "consumers", "max_attempts", "backoff"} <= set(editor.offers(path, line=4, character=4))
    assert "The time that one run may take." in editor.hover(path, line=3, character=6)
