"""Every script of benchmarks/ runs through, at its smallest size: its figures mean nothing then, but it does not rot."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(file.stem for file in (ROOT / "benchmarks").glob("*.py") if "parser(__doc__)" in file.read_text("utf-8"))
pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


@pytest.mark.parametrize("words", [[name] for name in SCRIPTS] + [["circuits", "gated"]], ids=" ".join)
def test_a_benchmark_runs_through(words: list[str], tmp_path: Path) -> None:
    name, *more = words
    command = [sys.executable, str(ROOT / "benchmarks" / f"{name}.py"), *more, "--smoke", "--into", str(tmp_path / "figures")]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout
    for written in (tmp_path / "figures").glob("*.json"):
        assert json.loads(written.read_text("utf-8"))["size"] == "smoke"
