"""A sentence agrees with its number."""

from tidegate.plurals import noun


def test_a_noun_agrees_with_its_number():
    assert [noun(n, "job") for n in (0, 1, 1200)] == ["0 jobs", "1 job", "1,200 jobs"]
    assert noun(2, "entry", "entries") == "2 entries"


def test_a_verb_agrees_with_it_too():
    assert [noun(n, "job waits", "jobs wait") for n in (1, 2)] == ["1 job waits", "2 jobs wait"]
