"""What a user's type checker sees: wiring a producer of one type to a consumer of another is refused where the types are known."""

import textwrap

import pytest

api = pytest.importorskip("mypy.api", reason="mypy is not installed")

PRELUDE = """
from collections.abc import Sequence
from tidegate.stages import Consumer, Producer, ProducerConsumer, SubRef, Subscription, TaskConsumer, from_iterable, stream

class Words(Producer[str]):
    async def handle_demand(self, demand: int) -> Sequence[str]:
        return ()

class Flags(Producer[bool]):
    async def handle_demand(self, demand: int) -> Sequence[bool]:
        return ()

class Adder(Consumer[int]):
    async def handle_events(self, events: Sequence[int], sub: SubRef) -> None: ...

class Lengths(ProducerConsumer[str, int]):
    async def handle_events(self, events: Sequence[str], sub: SubRef) -> Sequence[int]:
        return [len(word) for word in events]

async def work(n: int) -> None: ...
"""

GOOD = """
Adder(Flags())                                   # a bool is an int
Adder(Subscription(Lengths(Words())))
Adder("by name", Subscription("by name"))        # what a name stands for is not known
Adder(from_iterable([1, 2]))
TaskConsumer(Lengths("words"), handler=work, slots=2)

async def use() -> int:
    stage = await Adder(Flags()).start()
    await stage.subscribe(Subscription(Flags(), max_demand=3))
    return sum([n async for n in stream(Subscription(Flags()))])
"""

BAD = [
    "Adder(Words())",
    "Adder(Subscription(Words()))",
    "Lengths(Subscription(Flags()))",
    "TaskConsumer(Words(), handler=work, slots=2)",
    'Adder(from_iterable(["a"]))',
]


pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def complaints(tmp_path_factory):
    """Return the lines of mypy's complaints about all the programs together, by line of the last part."""
    program = textwrap.dedent(PRELUDE) + textwrap.dedent(GOOD) + "\n".join(BAD) + "\n"
    path = tmp_path_factory.mktemp("typing") / "wiring.py"
    path.write_text(program)
    cache = str(path.parent / "cache")
    out, err, _ = api.run(["--strict", "--config-file", "", "--cache-dir", cache, "--no-error-summary", str(path)])
    assert err == ""
    lines = [int(line.split(":")[1]) for line in out.splitlines() if ": error:" in line]
    start = len(program.splitlines()) - len(BAD)
    return [line - start for line in lines], out


def test_what_fits_is_accepted_and_what_does_not_is_refused(complaints):
    lines, out = complaints
    assert sorted(set(lines)) == list(range(1, len(BAD) + 1)), out
