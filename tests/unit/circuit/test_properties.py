"""What holds for a circuit whatever happens to it: random histories, and the same histories with the circuit written down between."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.circuit import Circuit, CircuitConfig, Permit
from tidegate.circuit.machine import GATING

STATES = {"closed", "open", "half_open", "forced_open", "forced_closed"}

configs = st.builds(
    CircuitConfig,
    window=st.sampled_from(["count", "time"]),
    window_size=st.integers(1, 40),
    minimum=st.integers(1, 12),
    failure_rate=st.one_of(st.none(), st.integers(1, 100)),
    consecutive=st.one_of(st.none(), st.integers(1, 6)),
    slow_after=st.one_of(st.none(), st.just(10.0)),
    slow_rate=st.integers(1, 100),
    distinct=st.integers(1, 3),
    open_for=st.floats(0, 50),
    open_factor=st.floats(1, 4),
    open_cap=st.floats(0, 200),
    jitter=st.floats(0, 1),
    probes=st.integers(1, 5),
    needed=st.integers(1, 6),
    probe_lease=st.floats(1, 100),
    ramp=st.sampled_from([0.0, 5.0]),
)
steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["admit", "admit", "admit", "ok", "ok", "fail", "fail", "ignore", "slow", "open", "close", "half", "reset", "hold"]
        ),
        st.floats(0, 20),
        st.integers(0, 1_000),
    ),
    max_size=120,
)


@dataclass
class History:
    """Plays steps on a circuit, keeps the permits that are out, and checks after each step what must always hold."""

    circuit: Circuit
    now: float = 0.0
    out: list[Permit] = field(default_factory=list)
    seen: set[Permit] = field(default_factory=set)
    granted: dict[int, int] = field(default_factory=dict)
    """Probes of a generation that were given and not given back by an ignored outcome or the end of a lease."""

    def play(self, step: tuple[str, float, int]) -> None:
        action, seconds, choice = step
        before = (self.circuit.state, self.circuit.gen)
        self.now += seconds
        if action == "admit":
            self.admit()
        elif action in ("open", "close", "half", "reset", "hold"):
            self.by_hand(action)
        elif self.out:
            self.report(action, self.out.pop(choice % len(self.out)), before)
        self.check(before)

    def admit(self) -> None:
        permit = self.circuit.admit(self.now)
        if permit is None:
            return
        assert permit not in self.seen
        assert permit.gen == self.circuit.gen
        assert permit.probe == (self.circuit.state == "half_open")
        assert self.circuit.state not in ("open", "forced_open")
        self.seen.add(permit)
        self.out.append(permit)

    def by_hand(self, action: str) -> None:
        match action:
            case "open":
                self.circuit.force("forced_open", self.now)
            case "close":
                self.circuit.force("forced_closed", self.now)
            case "half":
                self.circuit.force("half_open", self.now)
            case "hold":
                self.circuit.hold_off(self.now, 7.0)
            case _:
                self.circuit.reset(self.now)
                assert (self.circuit.calls, self.circuit.trips, self.circuit.state) == (0, 0, "closed")

    def report(self, action: str, permit: Permit, before: tuple[str, int]) -> None:
        result, duration = ("ok", 11.0) if action == "slow" else (action, 1.0)
        verdict = self.circuit.record(self.now, permit, result, duration)  # type: ignore[arg-type]
        if permit.gen != before[1]:
            assert verdict == "stale"
        if verdict != "counted":
            assert (self.circuit.state, self.circuit.gen) == before, "what does not count moves nothing"
        bad = result == "fail" or (self.circuit.config.slow_after is not None and duration > self.circuit.config.slow_after)
        if self.circuit.state == "open" and before[0] in ("closed", "half_open"):
            assert bad, "a healthy outcome never opens"
        if before[0] == "forced_closed":
            assert self.circuit.state == "forced_closed"

    def check(self, before: tuple[str, int]) -> None:
        circuit = self.circuit
        assert circuit.state in STATES
        assert circuit.gen >= before[1]
        assert (circuit.state == before[0]) or circuit.gen > before[1], "every transition is a new generation"
        assert 0 <= circuit.failures <= circuit.calls
        assert 0 <= circuit.slow <= circuit.calls
        if circuit.config.window == "count":
            assert circuit.calls <= int(circuit.config.window_size)
        if circuit.state == "half_open":
            assert circuit.out + circuit.probes_ok + circuit.probes_failed <= circuit.config.probes
        assert (circuit.opened_at is not None) == (circuit.state in GATING)
        if circuit.state == "open":
            assert circuit.until is not None
        elif circuit.state in ("closed", "half_open"):
            assert circuit.until is None


@settings(max_examples=300, deadline=None)
@given(configs, steps, st.floats(0, 1))
def test_the_rules_hold_on_any_history(config: CircuitConfig, history: list[tuple[str, float, int]], chance: float) -> None:
    player = History(Circuit(config, rng=lambda: chance))
    for step in history:
        player.play(step)


@settings(max_examples=200, deadline=None)
@given(configs, steps)
def test_a_circuit_that_is_written_down_and_recalled_goes_on_as_if_nothing_had_happened(
    config: CircuitConfig, history: list[tuple[str, float, int]]
) -> None:
    kept, recalled = History(Circuit(config, rng=lambda: 0.5)), History(Circuit(config, rng=lambda: 0.5))
    for step in history:
        kept.play(step)
        recalled.play(step)
        before = recalled.circuit
        again = Circuit.recalled(config, json.loads(json.dumps(before.written())), rng=lambda: 0.5)
        again._out, again._serial = before._out, before._serial
        recalled.circuit = again
        assert again.written() == kept.circuit.written()


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0, 30)), max_size=100), st.integers(1, 60))
def test_a_time_window_sees_what_is_young_and_nothing_that_is_old(outcomes: list[tuple[bool, bool, float]], size: int) -> None:
    one = Circuit(CircuitConfig(window="time", window_size=size, failure_rate=None), rng=lambda: 0.0)
    now, seen = 0.0, []
    for failed, _, pause in outcomes:
        now += pause
        permit = one.admit(now)
        assert permit is not None
        one.record(now, permit, "fail" if failed else "ok")
        seen.append((now, failed))
        surely = [failed for at, failed in seen if now - at < size * 11 / 12 - 1e-6]
        perhaps = [failed for at, failed in seen if now - at < size + 1e-6]
        assert len(surely) <= one.calls <= len(perhaps)
        assert sum(surely) <= one.failures <= sum(perhaps)


@given(st.lists(st.sampled_from("SFsf"), max_size=80), st.integers(1, 20))
def test_a_count_window_holds_the_last_outcomes(letters: list[str], size: int) -> None:
    one = Circuit(CircuitConfig(window="count", window_size=size, failure_rate=None, slow_after=10), rng=lambda: 0.0)
    one.force("forced_closed", 0)
    for letter in letters:
        permit = one.admit(0)
        assert permit is not None
        one.record(0, permit, "fail" if letter in "Ff" else "ok", 11.0 if letter in "sf" else 0.0)
    last = letters[-size:]
    assert (one.calls, one.failures, one.slow) == (
        len(last),
        sum(letter in "Ff" for letter in last),
        sum(letter in "sf" for letter in last),
    )


def test_a_window_of_another_size_begins_empty() -> None:
    written: dict[str, Any] = {"window": {"of": "count 10", "seen": "FFF"}}
    assert Circuit.recalled(CircuitConfig(window="count", window_size=10), written, rng=lambda: 0.0).calls == 3
    assert Circuit.recalled(CircuitConfig(window="count", window_size=11), written, rng=lambda: 0.0).calls == 0
    assert Circuit.recalled(CircuitConfig(), {"window": "nonsense"}, rng=lambda: 0.0).calls == 0
    empty = {"window": {"of": "time 120", "newest": None, "buckets": []}}
    assert Circuit.recalled(CircuitConfig(), empty, rng=lambda: 0.0).calls == 0


def test_a_clock_that_steps_back_stands_still() -> None:
    one = Circuit(CircuitConfig(window="time", window_size=12), rng=lambda: 0.0)
    for now in (100.0, 90.0, 101.0):
        permit = one.admit(now)
        assert permit is not None
        one.record(now, permit, "ok")
    assert one.calls == 3
