import pytest

from tidegate.runtime.loop_lag import LoopLag


def lag(*measured):
    lag = LoopLag()
    for at, delay in measured:
        lag.measured(at, delay)
    return lag


def test_nothing_is_known_where_nothing_was_measured():
    assert lag().worst is None
    assert repr(lag()) == "<LoopLag not measured>"


def test_the_worst_delay_is_told():
    assert lag((1.0, 0.1), (2.0, 0.7), (3.0, 0.2)).worst == 0.7
    assert repr(lag((1.0, 0.25))) == "<LoopLag 250.0 ms>"


@pytest.mark.parametrize(("later", "worst"), [(15.9, 0.7), (16.1, 0.0)])
def test_a_delay_is_remembered_for_a_scrape_interval(later, worst):
    assert lag((1.0, 0.7), (later, 0.0)).worst == worst
