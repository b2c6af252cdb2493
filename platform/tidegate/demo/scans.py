"""Scanned pages, mapped into memory as large files are.

A page whose file is cut short while it is mapped, by an upload that broke off, cannot be read any more: the system sends SIGBUS,
and no Python code gets a chance to say anything.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from random import Random
from typing import Final

__all__ = ["ink", "scan"]

SIZE: Final = 256 * 1024  # pixels of a small page, one byte each
DARK: Final = 128


def scan(page: int, folder: Path) -> Path:
    """Put the scan of a page into `folder`, where it is not there yet."""
    path = folder / f"page{page}.raw"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(Random(page).randbytes(SIZE))
    return path


def ink(path: Path, *, broken_off: bool = False) -> float:
    """Return the share of a page that is dark. One that is `broken_off` ends this process."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), SIZE) as pixels:
        if broken_off:
            os.truncate(path, 0)
        return sum(pixel < DARK for pixel in pixels[:]) / SIZE
