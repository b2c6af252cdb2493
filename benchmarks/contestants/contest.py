"""The command line that every contestant has: `setup`, `fill N`, `trickle N PAUSE` and `work`, on what CONTEST_DATABASE names."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any

Setup = Callable[[str], Coroutine[Any, Any, None]]
Fill = Callable[[str, int], Coroutine[Any, Any, None]]
Trickle = Callable[[str, int, float], Coroutine[Any, Any, None]]
Work = Callable[[str], Coroutine[Any, Any, None]]


def main(setup: Setup, fill: Fill, trickle: Trickle, work: Work) -> None:
    database, (verb, *numbers) = os.environ["CONTEST_DATABASE"], sys.argv[1:]
    if verb == "setup":
        asyncio.run(setup(database))
    elif verb == "fill":
        asyncio.run(fill(database, int(numbers[0])))
    elif verb == "trickle":
        asyncio.run(trickle(database, int(numbers[0]), float(numbers[1])))
    else:
        asyncio.run(work(database))
