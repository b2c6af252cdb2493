"""Jobs that do what their argument says."""

import asyncio
import time

from tidegate import Dead, job


@job(queue="email", max_attempts=2, circuit=False)
async def send(what: str = "ok") -> None:
    await asyncio.sleep(0.01)
    if what == "fail":
        raise ConnectionError("no route to the post office")
    if what == "die":
        raise Dead("nobody lives there")


@job(queue="email", circuit="smtp")
async def relay(what: str = "ok") -> None:
    if what == "fail":
        raise ConnectionError("the relay does not answer")


@job(queue="email", max_attempts=1)
async def hog(seconds: float) -> None:
    time.sleep(seconds)  # noqa: ASYNC251 - what it shows is what this does to the loop
