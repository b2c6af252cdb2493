import subprocess
import sys

from tidegate.demo import scans


def test_a_page_is_half_dark_and_the_same_each_time(tmp_path):
    path = scans.scan(7, tmp_path / "scans")
    assert 0.49 < scans.ink(path) < 0.51
    assert scans.ink(scans.scan(7, tmp_path / "scans")) == scans.ink(path)


def test_reading_a_page_that_is_cut_short_ends_the_process(tmp_path):
    path = scans.scan(7, tmp_path)
    words = f"from pathlib import Path; from tidegate.demo import scans; scans.ink(Path({str(path)!r}), broken_off=True)"
    assert subprocess.run([sys.executable, "-c", words], check=False).returncode < 0
