"""Rules G72 and G73: one task per event, in slots whose number can be changed."""

import asyncio
from collections import Counter

import pytest
from tests.unit.stages.parts import Numbers, Owing, Push, Remembering, quiet, started, virtual

from tidegate.stages import BadOption, Cancel, Killed, Shutdown, Subscription, TaskConsumer


class Pool(Remembering, TaskConsumer):
    """Runs each event until it is told to finish."""

    def __init__(self, *subs, **options):
        super().__init__(*subs, **options)
        self.gates = {}
        self.done = []
        self.begun = []

    async def handler(self, event):
        self.begun.append(event)
        gate = self.gates[event] = asyncio.Event()
        await gate.wait()
        self.done.append(event)

    async def finish(self, *events):
        for event in events:
            self.gates[event].set()
        await quiet()


async def stop(*stages):
    for stage in stages:
        await stage.stop(timeout=0)


@virtual
async def test_g72_it_asks_for_its_slots_and_runs_one_task_an_event():
    source, pool = await started(s := Numbers(), Pool(s, slots=3))
    assert source.demands == [3]
    assert (pool.begun, pool.running) == ([0, 1, 2], 3)
    await stop(pool, source)


@virtual
async def test_g72_a_slot_that_becomes_free_asks_again():
    source, pool = await started(s := Numbers(), Pool(s, slots=2))
    await pool.finish(1)
    assert (source.demands, pool.begun) == ([2, 1], [0, 1, 2])
    await stop(pool, source)


@virtual
async def test_g72_with_a_batch_it_asks_when_that_many_are_free():
    source, pool = await started(s := Numbers(), Pool(s, slots=3, ask_batch=2))
    await pool.finish(0)
    assert source.demands == [3]
    await pool.finish(1)
    assert source.demands == [3, 2]
    await stop(pool, source)


@virtual
async def test_a_batch_larger_than_the_pool_waits_for_the_whole_pool():
    source, pool = await started(s := Numbers(), Pool(s, slots=2, ask_batch=5))
    await pool.finish(0, 1)
    assert source.demands == [2, 2]
    await stop(pool, source)


@virtual
async def test_g72_a_handler_that_raises_costs_its_own_event_only(caplog):
    class Fragile(Pool):
        async def handler(self, event):
            if event == 1:
                raise ZeroDivisionError("cannot")
            await super().handler(event)

    source, pool = await started(s := Numbers(), Fragile(s, slots=2))
    assert pool.begun == [0, 2]
    assert source.back == [([1], "interrupted")]
    assert pool.alive
    assert "a handler raised" in caplog.text
    await stop(pool, source)


@virtual
async def test_g72_tasks_survive_their_producer():
    source, pool = await started(s := Numbers(), Pool(Subscription(s, cancel=Cancel.TEMPORARY), slots=2))
    source.kill()
    await quiet()
    assert pool.running == 2
    await pool.finish(0, 1)
    assert (pool.done, source.back) == ([0, 1], [])
    await stop(pool)


@virtual
async def test_g73_no_more_than_its_slots_run_for_each_producer():
    high = Counter()
    running = Counter()

    async def handle(event):
        owner = event // 1000
        running[owner] += 1
        high[owner] = max(high[owner], running[owner])
        await asyncio.sleep(1 + event % 3)
        running[owner] -= 1

    one, other = Numbers(limit=30), Numbers(limit=1030)
    other.next = 1000
    await started(one, other)
    pool = TaskConsumer(one, other, handler=handle, slots=4)
    await pool.start()
    await asyncio.sleep(100)
    assert high == {0: 4, 1: 4}
    assert pool.running == 0
    await stop(pool, one, other)


@virtual
async def test_it_is_given_a_handler_or_overrides_it():
    seen = []

    async def handle(event):
        seen.append(event)

    source = await started(Numbers(limit=3))
    pool = await started(TaskConsumer(source, handler=handle, slots=1))
    assert seen == [0, 1, 2]
    await stop(pool, source)
    with pytest.raises(BadOption, match="expected handler to be a coroutine function"):
        TaskConsumer(source, slots=1)


@pytest.mark.parametrize(("option", "value"), [("slots", -1), ("ask_batch", 0)])
def test_its_numbers_are_checked(option, value):
    with pytest.raises(BadOption, match=option):
        Pool("somewhere", **{"slots": 1, option: value})


@virtual
async def test_growing_asks_for_the_difference():
    source, pool = await started(s := Owing(), Pool(s, slots=2))
    await pool.resize(5)
    await quiet()
    assert source.demands == [2, 3]
    assert pool.slots == 5
    await stop(pool, source)


@virtual
async def test_shrinking_an_idle_pool_takes_its_demand_back():
    source, pool = await started(s := Owing(), Pool(s, slots=5))
    await pool.resize(2)
    assert (source.owed, source.retracted) == (2, [3])
    await stop(pool, source)


@virtual
async def test_shrinking_a_busy_pool_is_paid_by_the_slots_that_become_free():
    source, pool = await started(s := Numbers(), Pool(s, slots=3))
    await pool.resize(1)
    assert pool.running == 3
    await pool.finish(0, 1)
    assert (pool.running, source.demands) == (1, [3])
    await pool.finish(2)
    assert (pool.begun, source.demands) == ([0, 1, 2, 3], [3, 1])
    await stop(pool, source)


@virtual
async def test_shrinking_is_paid_by_free_slots_first_then_by_demand_then_by_running_ones():
    source, pool = await started(s := Owing(), Pool(s, slots=6, ask_batch=3))
    source.pay([1, 2, 3, 4])
    await quiet()
    await pool.finish(1)  # one free and not asked for, three running, two asked for
    await pool.resize(1)
    assert source.retracted == [2]
    await pool.finish(2, 3)
    assert source.demands == [6]
    await pool.finish(4)
    assert source.demands == [6, 1]
    await stop(pool, source)


@virtual
async def test_growing_again_forgives_the_debt_of_shrinking_first():
    source, pool = await started(s := Numbers(), Pool(s, slots=4))
    await pool.resize(1)
    await pool.resize(3)
    assert source.demands == [4]
    await pool.finish(0)
    assert pool.running == 3
    assert source.demands == [4]
    await pool.finish(1)
    assert source.demands == [4, 1]
    await stop(pool, source)


@virtual
async def test_a_pool_of_no_slots_rests_and_can_grow():
    source, pool = await started(s := Numbers(limit=2), Pool(s, slots=0))
    assert source.demands == []
    await pool.resize(1)
    await quiet()
    assert pool.begun == [0]
    await pool.resize(0)
    await pool.finish(0)
    assert pool.begun == [0]
    await stop(pool, source)


@virtual
async def test_resizing_while_resizing_ends_at_the_last_size():
    source, pool = await started(s := Owing(), Pool(s, slots=5))
    await asyncio.gather(pool.resize(1), pool.resize(4), pool.resize(2))
    await quiet()
    assert (source.owed, pool.slots) == (2, 2)
    await stop(pool, source)


@virtual
async def test_stop_waits_for_the_running_tasks_and_takes_nothing_more():
    source, pool = await started(s := Numbers(), Pool(s, slots=2))
    stopping = asyncio.ensure_future(pool.stop(Shutdown()))
    await quiet()
    assert not stopping.done()
    await pool.finish(0, 1)
    await stopping
    assert await pool.join() == Shutdown()
    assert (pool.done, source.back, source.demands) == ([0, 1], [], [2])
    await stop(source)


@virtual
async def test_a_task_may_stop_its_own_pool():
    async def work(event):
        await pool.stop(Shutdown("enough"))

    source = await started(Numbers())
    pool = TaskConsumer(source, handler=work, slots=1)
    await pool.start()
    assert await pool.join() == Shutdown("enough")
    assert source.back == []
    await stop(source)


@virtual
async def test_a_stop_that_times_out_cancels_them_and_gives_their_events_back():
    source, pool = await started(s := Numbers(), Pool(s, slots=2))
    await pool.stop(Shutdown(), timeout=5)
    assert await pool.join() == Killed()
    assert sorted(source.returned) == [0, 1]
    assert {why for _, why in source.back} == {"interrupted"}
    await stop(source)


@virtual
async def test_a_task_that_ends_its_work_while_it_is_cancelled_keeps_its_event():
    class Stubborn(Pool):
        async def handler(self, event):
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                self.done.append(event)

    source, pool = await started(s := Numbers(), Stubborn(s, slots=1))
    await pool.stop(timeout=1)
    assert (pool.done, source.back) == ([0], [])
    await stop(source)


@virtual
async def test_kill_and_crash_give_the_running_events_back():
    first, second = await started(Numbers(), Numbers())
    killed, crashing = await started(Pool(first, slots=2), Pool(second, slots=2))
    killed.kill()
    assert sorted(first.returned) == [0, 1]
    crashing.cast(lambda _: 1 / 0)
    await crashing.join()
    assert sorted(second.returned) == [0, 1]
    await quiet()
    assert (killed.running, crashing.running) == (0, 0)
    await stop(first, second)


@virtual
async def test_it_comes_back_to_the_next_producer_of_that_name_with_all_its_slots():
    first = await started(Push(name="phoenix"))
    pool = await started(Pool(Subscription("phoenix", cancel=Cancel.TEMPORARY, resubscribe=1), slots=3))
    first.kill()
    second = await started(Push(name="phoenix"))
    await asyncio.sleep(2)
    assert second.demands == [3]
    await stop(pool, second)


@virtual
async def test_its_readout_shows_what_runs():
    source, pool = await started(s := Numbers(), Pool(s, slots=2, name="pool"))
    assert repr(pool) == "<Pool pool running=2 subscriptions=1>"
    assert pool.describe()["running"] == 2
    await stop(pool, source)
