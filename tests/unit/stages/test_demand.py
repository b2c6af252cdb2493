"""Rules G11, G12, G20 to G25: how arrivals are cut and when is asked again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.stages import BadOption, Cancel, Subscription, split_batches


def batches(arrived, demand, high, low):
    return split_batches(arrived, demand, max_demand=high, min_demand=low)


def test_g11_defaults_are_1000_half_of_it_and_permanent():
    sub = Subscription("somewhere")
    assert (sub.max_demand, sub.low_water, sub.cancel, sub.manual) == (1000, 500, Cancel.PERMANENT, False)


def test_g11_min_demand_defaults_to_half_rounded_down():
    assert Subscription("somewhere", max_demand=5).low_water == 2


def test_g11_a_min_demand_of_zero_is_kept():
    assert Subscription("somewhere", max_demand=5, min_demand=0).low_water == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_demand": 0}, "expected max_demand to be equal to or greater than 1, got: 0"),
        ({"min_demand": 2000}, "expected min_demand to be equal to or less than 999, got: 2000"),
        ({"min_demand": -1}, "expected min_demand to be equal to or greater than 0, got: -1"),
        ({"max_demand": 10, "min_demand": 10}, "expected min_demand to be equal to or less than 9, got: 10"),
        ({"max_demand": 2.5}, "expected max_demand to be an integer, got: 2.5"),
        ({"max_demand": True}, "expected max_demand to be an integer, got: True"),
        ({"cancel": "sometimes"}, "expected cancel to be one of permanent, transient, temporary, got: 'sometimes'"),
        ({"resubscribe": -1}, "expected resubscribe to be None or a number of seconds that is not negative, got: -1"),
    ],
)
def test_g12_numbers_that_cannot_hold_are_refused_by_name_and_value(options, message):
    with pytest.raises(BadOption) as caught:
        Subscription("somewhere", **options)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("arrived", "demand", "high", "low", "expected"),
    [
        pytest.param(10, 10, 10, 5, ([(5, 5), (5, 5)], 10, 0), id="two halves, two asks"),
        pytest.param(4, 10, 10, 5, ([(4, 0)], 6, 0), id="not yet down to min"),
        pytest.param(5, 10, 10, 5, ([(5, 5)], 10, 0), id="exactly down to min"),
        pytest.param(1, 1, 1, 0, ([(1, 1)], 1, 0), id="one at a time"),
        pytest.param(3, 3, 3, 0, ([(3, 3)], 3, 0), id="min 0 asks for all when all is handled"),
        pytest.param(7, 10, 10, 8, ([(2, 2), (2, 2), (2, 2), (1, 0)], 9, 0), id="batches of max - min"),
        pytest.param(0, 10, 10, 5, ([], 10, 0), id="nothing arrived, nothing happens"),
    ],
)
def test_g20_g21_arrivals_are_cut_and_asked_for_again(arrived, demand, high, low, expected):
    assert batches(arrived, demand, high, low) == expected


def test_g23_excess_is_handled_and_pays_for_nothing():
    assert batches(7, 4, 4, 2) == ([(2, 2), (2, 2), (2, 0), (1, 0)], 4, 3)


def test_g23_a_batch_that_is_partly_excess_pays_with_the_part_that_was_asked_for():
    assert batches(5, 3, 10, 0) == ([(5, 10)], 10, 2)


def test_g25_three_arrivals_of_a_hundred_at_max_1000_min_750_are_one_ask_of_300():
    asks, demand = [], 1000
    for _ in range(3):
        cut, demand, excess = batches(100, demand, 1000, 750)
        assert [size for size, _ in cut] == [100]
        assert excess == 0
        asks += [ask for _, ask in cut if ask]
    assert (asks, demand) == ([300], 1000)


@st.composite
def limits(draw):
    high = draw(st.integers(1, 50))
    return high, draw(st.integers(0, high - 1))


@given(limits(), st.data())
def test_i1_what_is_asked_for_and_not_handled_never_exceeds_max(bounds, data):
    high, low = bounds
    demand = unhandled = high  # asked for and not handled, here or still on its way
    for _ in range(data.draw(st.integers(0, 10))):
        arrived = data.draw(st.integers(0, unhandled))
        cut, demand, excess = batches(arrived, demand, high, low)
        assert excess == 0
        assert sum(size for size, _ in cut) == arrived
        assert all(0 < size <= high - low for size, _ in cut)
        for size, ask in cut:
            unhandled += ask - size
            assert unhandled <= high
        assert unhandled == demand
        assert low < demand <= high
