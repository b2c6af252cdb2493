import asyncio
from collections import Counter
from dataclasses import asdict
from itertools import islice, takewhile
from random import Random

import pytest

from tidegate.demo.customers import Domain, domain
from tidegate.demo.departures import departures
from tidegate.demo.feeder import feed, pause, plan, tide
from tidegate.demo.jobs import read_scan
from tidegate.handlers import handler_of
from tidegate.testing import run_virtual


def planned(rate=20.0, seconds=30.0, seed=0):
    return plan(rate, seconds, Random(seed), departures())


@pytest.fixture(scope="module")
def long():
    return list(planned(seconds=300))


def test_a_plan_keeps_its_rate_on_average(long):
    assert 19 < len(long) / 300 < 21


@pytest.mark.parametrize("seconds", [30.0, 0])
def test_a_plan_with_a_crash_has_one_early_enough_to_be_tried_again(seconds):
    plans = takewhile(lambda each: each.at < 100, plan(20.0, seconds, Random(0), departures(), crash=True))
    scans = [each for each in plans if each.call.function is read_scan]
    assert [(6 <= each.at < 8, each.queue, each.call.kwargs["broken_off"]) for each in scans] == [(True, "ml", True)]


def test_a_plan_without_a_crash_has_none(long):
    assert not any(each.call.function is read_scan for each in long)


def test_a_plan_is_in_order_and_ends_in_time(long):
    times = [each.at for each in long]
    assert times == sorted(times)
    assert times[-1] < 300


def test_the_same_chance_makes_the_same_plan():
    assert list(planned(seed=4)) == list(planned(seed=4))


def test_most_jobs_are_letters_many_departures_and_a_few_trainings(long):
    shares = Counter(each.queue for each in long)
    assert 0.57 < shares["email"] / len(long) < 0.63
    assert 0.35 < shares["analytics"] / len(long) < 0.42
    assert 0 < shares["ml"] / len(long) < 0.03


def test_trainings_do_not_grow_with_the_rate():
    assert sum(each.queue == "ml" for each in planned(rate=500, seconds=30)) < 25


def test_about_three_jobs_in_a_hundred_fail_once_and_a_few_die(long):
    fates = Counter(domain(each.call.kwargs["user_id"]) for each in long if each.queue == "email")
    assert 0.02 < fates[Domain.GREYLISTING] / len(long) < 0.04
    assert 0 < fates[Domain.FULL] + fates[Domain.GONE] < 0.02 * len(long)


def test_some_jobs_are_ordered_for_seconds_later(long):
    delays = [each.call.said.delay for each in long if each.call.said.delay]
    assert 0.02 < len(delays) / len(long) < 0.06
    assert all(2 <= delay <= 5 for delay in delays)


def test_every_customer_and_every_departure_comes_once(long):
    customers = [each.call.kwargs["user_id"] for each in long if each.queue == "email"]
    flights = [tuple(each.call.kwargs.values()) for each in long if each.queue == "analytics"]
    assert len(set(customers)) == len(customers)
    assert len(set(flights)) == len(flights)


def test_every_call_fits_its_handler(long):
    for each in islice(long, 400):
        job = each.call.new_job(None, default_queue="")
        args, kwargs = handler_of(each.call.function).signature.decode(job.args)
        assert job.queue == each.queue
        assert (asdict(args[0]) if args else kwargs) == each.call.kwargs


def test_a_run_without_an_end_goes_on_with_the_tide():
    hour = list(takewhile(lambda each: each.at < 600, planned(rate=5, seconds=0)))
    assert 4.6 < len(hour) / 600 < 5.4


@pytest.mark.parametrize(("at", "height"), [(0, 0.4), (15, 1.6), (30, 0.4)])
def test_the_tide_is_low_at_the_ends_and_high_between(at, height):
    assert tide(at, period=30) == pytest.approx(height)


class Clerk:
    """Takes calls as a client does, and notes when."""

    def __init__(self, takes=0.0):
        self.entries = []
        self.takes = takes

    async def enqueue_many(self, calls, /):
        await asyncio.sleep(self.takes)
        self.entries += [(asyncio.get_running_loop().time(), call) for call in calls]
        return list(range(len(calls)))


def fed(clerk, items, *, stop_at=None):
    told = []

    async def main():
        stop = asyncio.Event()
        if stop_at is not None:
            asyncio.get_running_loop().call_later(stop_at, stop.set)
        await feed(clerk, iter(items), stop=stop, sent=lambda batch, ids: told.append((len(batch), len(ids))))
        return asyncio.get_running_loop().time()

    return run_virtual(main()), told


def test_each_call_is_made_within_a_moment_of_its_time():
    clerk, items = Clerk(), list(planned())
    fed(clerk, items)
    lateness = [at - each.at for (at, _), each in zip(clerk.entries, items, strict=True)]
    assert min(lateness) >= 0
    assert max(lateness) <= 0.1 + 1e-6


def test_a_slow_client_makes_calls_late_but_loses_none():
    clerk, items = Clerk(takes=0.5), list(planned(seconds=5))
    fed(clerk, items)
    assert [call for _, call in clerk.entries] == [each.call for each in items]


def test_what_was_sent_is_told_with_its_ids():
    items = list(planned(seconds=5))
    _, told = fed(Clerk(), items)
    assert sum(batch for batch, _ in told) == len(items)
    assert all(batch == ids for batch, ids in told)


def test_feeding_ends_when_it_is_told_to_stop():
    clerk = Clerk()
    ended, _ = fed(clerk, planned(seconds=0), stop_at=7.0)
    assert ended == 7.0
    assert max(at for at, _ in clerk.entries) <= 7.0


def test_feeding_ends_with_its_plan():
    ended, _ = fed(Clerk(), planned(seconds=5))
    assert 4.5 < ended < 5.2


@pytest.mark.parametrize(("set_at", "passed", "stopped"), [(None, 3.0, False), (1.0, 1.0, True)])
def test_a_pause_ends_early_only_when_stopped(set_at, passed, stopped):
    async def main():
        stop = asyncio.Event()
        if set_at is not None:
            asyncio.get_running_loop().call_later(set_at, stop.set)
        return await pause(3.0, stop), asyncio.get_running_loop().time()

    assert run_virtual(main()) == (stopped, passed)
