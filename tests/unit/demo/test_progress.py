import io

import pytest
from rich.console import Console

from tidegate.demo.progress import Watch, sentence
from tidegate.demo.tally import Tally


@pytest.fixture
def tally():
    told = Tally(["email", "ml"], clock=lambda: 0.0)
    told.enqueued("email", [1, 2])
    told.resized("email", 3)
    return told


def watched(tally, seconds, *, terminal=False):
    out = io.StringIO()
    with Watch(Console(file=out, force_terminal=terminal, width=120), 30.0) as watch:
        for second in seconds:
            watch.at(second, tally)
    return out.getvalue()


def test_a_sentence_tells_counts_and_the_pools_that_there_are(tally):
    assert sentence(tally) == "2 enqueued, 0 done, 0 retried, 0 dead, 2 open; consumers: email 3"


def test_where_nothing_can_move_a_line_comes_every_five_seconds(tally):
    lines = watched(tally, [0.1 * tenth for tenth in range(125)]).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["5 s", "10 s"]


def test_on_a_terminal_the_line_is_taken_away_at_the_end(tally):
    assert watched(tally, [1.0, 2.0], terminal=True).endswith("\x1b[2K")
