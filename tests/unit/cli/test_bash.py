"""Bash takes a colon for the end of a word."""

import pytest

from tidegate.cli.bash import joined


@pytest.mark.parametrize(
    ("args", "incomplete", "words", "word"),
    [
        (["enqueue"], "jo", ["enqueue"], "jo"),
        (["enqueue", "jobs"], ":", ["enqueue"], "jobs:"),
        (["enqueue", "jobs", ":"], "gr", ["enqueue"], "jobs:gr"),
        (["enqueue", "jobs", ":"], "", ["enqueue"], "jobs:"),
        (["jobs", "list", "--kind", "shop.jobs", ":"], "s", ["jobs", "list", "--kind"], "shop.jobs:s"),
        ([":"], "x", [], ":x"),
    ],
)
def test_its_pieces_are_put_together(args, incomplete, words, word):
    assert joined(args, incomplete) == (words, word)
