"""The shell does what the pure cores say: one script through both, with the same outcome."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.stages.parts import Push, Sink, quiet

from tidegate.stages import BroadcastDispatcher, Buffer, Cancel, DemandDispatcher, PartitionDispatcher, SubRef, Subscription
from tidegate.testing import run_virtual

DISPATCHERS = {
    "demand": DemandDispatcher,
    "broadcast": BroadcastDispatcher,
    "partition": lambda: PartitionDispatcher(3, hash=lambda n: (n, n % 3)),
}

scripts = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 2), st.integers(1, 7)),
        st.tuples(st.just("emit"), st.just(0), st.integers(1, 9)),
        st.tuples(st.just("info"), st.just(0), st.just(0)),
        st.tuples(st.sampled_from(["leave", "join"]), st.integers(0, 2), st.just(0)),
    ),
    max_size=30,
)


class Cores:
    """A producer reduced to its dispatcher and its buffer, put together as GenStage does it."""

    def __init__(self, kind, size):
        self.dispatcher, self.buffer = DISPATCHERS[kind](), Buffer(size)
        self.subs = [SubRef() for _ in range(3)]
        self.batches = {sub: [] for sub in self.subs}
        self.demands, self.infos, self.discarded = [], [], []
        self.seats = list(self.subs)  # whose subscription each consumer has now; None: it has left
        for partition, sub in enumerate(self.subs):
            self.dispatcher.subscribe(sub, Subscription("cores", partition=partition))

    def do(self, work):
        for sub, events in work.sends:
            self.batches[sub].append(events)
        self.infos += work.infos

    def emit(self, events):
        work = self.dispatcher.dispatch(events)
        self.do(work)
        if discarded := self.buffer.store(work.leftover):
            self.discarded += discarded
            self.release(self.buffer.take(0)[1])

    def release(self, infos):
        for info in infos:
            self.infos += self.dispatcher.info(info)

    def ask(self, who, n):
        if (sub := self.seats[who]) is not None:
            upstream, work = self.dispatcher.ask(sub, n)
            self.do(work)
            self.demand(upstream)

    def leave(self, who):
        if (sub := self.seats[who]) is not None:
            self.seats[who] = None
            upstream, events = self.dispatcher.cancel(sub)
            self.discarded += events
            self.infos += self.dispatcher.due()
            self.demand(upstream)

    def join(self, who):
        if self.seats[who] is None:
            self.seats[who] = sub = SubRef()
            self.batches[sub] = self.batches[self.subs[who]]
            self.demand(self.dispatcher.subscribe(sub, Subscription("cores", partition=who)))

    def demand(self, upstream):
        if len(self.buffer):
            before = self.dispatcher.wanted
            while len(self.buffer) and (wanted := self.dispatcher.wanted):
                events, infos = self.buffer.take(wanted)
                if events:
                    self.emit(events)
                self.release(infos)
            self.release(self.buffer.take(0)[1])
            upstream -= before - self.dispatcher.wanted
        if upstream > 0:
            self.demands.append(upstream)

    def info(self, message):
        if self.buffer.store_info(message):
            self.release([message])

    def outcome(self):
        return [self.batches[sub] for sub in self.subs], self.demands, self.infos, self.discarded, len(self.buffer)


def through_the_cores(kind, size, script):
    cores, emitted = Cores(kind, size), 0
    for index, (verb, who, n) in enumerate(script):
        if verb == "ask":
            cores.ask(who, n)
        elif verb == "emit":
            cores.emit(list(range(emitted, emitted + n)))
            emitted += n
        elif verb == "info":
            cores.info(index)
        else:
            getattr(cores, verb)(who)
    return cores.outcome()


async def through_the_shell(kind, size, script):
    producer = await Push(dispatcher=DISPATCHERS[kind](), buffer_size=size).start()
    wishes = [Subscription(producer, manual=True, partition=place, cancel=Cancel.TEMPORARY) for place in range(3)]
    sinks = [await Sink(wish).start() for wish in wishes]
    await quiet()
    emitted = 0
    for index, (verb, who, n) in enumerate(script):
        if verb == "ask":
            sinks[who].ask(sinks[who].subs[-1], n)
        elif verb == "emit":
            producer.emit(range(emitted, emitted + n))
            emitted += n
        elif verb == "info":
            producer.info(index)
        elif verb == "leave":
            sinks[who].cancel(sinks[who].subs[-1])
        elif not sinks[who].describe()["subscriptions"]:
            await sinks[who].subscribe(wishes[who])
        await quiet()
    batches = [list(sink.batches) for sink in sinks]
    outcome = batches, list(producer.demands), list(producer.infos), producer.returned, producer.buffered
    for stage in (*sinks, producer):
        await stage.stop()
    return outcome


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(list(DISPATCHERS)), st.none() | st.integers(0, 12), scripts)
def test_shell_and_cores_agree(kind, size, script):
    assert run_virtual(through_the_shell(kind, size, script)) == through_the_cores(kind, size, script)
