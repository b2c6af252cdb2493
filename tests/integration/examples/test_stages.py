"""examples/stages: each is run as its reader would, and prints what stands at its top."""

import ast
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "examples" / "stages").glob("*.py"))


def promised(path):
    said = ast.get_docstring(ast.parse(path.read_text("utf-8")), clean=False)
    _, _, shown = said.partition("\n\n")
    return textwrap.dedent(shown).strip().splitlines()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_prints_what_it_promises(path, database):
    ran = subprocess.run(
        [sys.executable, path],
        env={**os.environ, "DATABASE_URL": database},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.stdout.splitlines() == promised(path), ran.stderr
    assert (ran.stderr, ran.returncode) == ("", 0)


def test_every_example_is_in_the_index():
    index = (ROOT / "examples" / "stages" / "README.md").read_text("utf-8")
    assert [path.name for path in EXAMPLES if f"({path.name})" not in index] == []
