"""examples/bank: transfers are booked exactly once although nodes are killed while they book."""

import ast
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

FILE = Path(__file__).parents[3] / "examples" / "bank" / "run.py"


@pytest.mark.long
@pytest.mark.timeout(300)
def test_every_transfer_is_booked_once_under_kill_9(database):
    _, _, promised = ast.get_docstring(ast.parse(FILE.read_text("utf-8")), clean=False).partition("\n\n")
    environ = {**os.environ, "DATABASE_URL": database}
    ran = subprocess.run([sys.executable, FILE], env=environ, capture_output=True, text=True, check=False, timeout=240)
    assert ran.stdout.splitlines() == textwrap.dedent(promised).strip().splitlines(), ran.stderr
    assert (ran.stderr, ran.returncode) == ("", 0)
