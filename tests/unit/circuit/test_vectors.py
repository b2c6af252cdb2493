"""Vectors of the circuit's rules, with where other breakers decide otherwise.

A script is one outcome a second from t = 0: S ok, F fail, I ignored, s ok but slow, f slow and failed. Base: the last 10 outcomes,
5 of them needed, 50%, open for 30 s and twice as long each time up to 300, no jitter, 3 probes that must all go well.
"""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.circuit import Circuit, CircuitConfig, Permit, Verdict

SLOW = 20.0
OUTCOMES = {"S": ("ok", 0.0), "F": ("fail", 0.0), "I": ("ignore", 0.0), "s": ("ok", SLOW), "f": ("fail", SLOW)}


def circuit(**delta: Any) -> Circuit:
    base: dict[str, Any] = {
        "window": "count",
        "window_size": 10,
        "minimum": 5,
        "failure_rate": 50,
        "open_for": 30,
        "open_factor": 2,
        "open_cap": 300,
        "jitter": 0,
        "probes": 3,
        "needed": 3,
        "probe_lease": 60,
    }
    return Circuit(CircuitConfig(**{**base, **delta}), rng=lambda: 0.5)


def run(one: Circuit, script: str, at: list[float] | None = None) -> Circuit:
    for letter, now in zip(script, at or [float(second) for second in range(len(script))], strict=True):
        result, duration = OUTCOMES[letter]
        permit = one.admit(now)
        assert permit is not None, f"refused at {now}"
        one.record(now, permit, result, duration)
    return one


def granted(one: Circuit, now: float) -> Permit:
    permit = one.admit(now)
    assert permit is not None
    return permit


def opened() -> Circuit:
    one = run(circuit(), "FFFFF")
    assert one.state == "open"
    return one


CLOSED_OR_OPEN = [
    ("1 below the minimum", {}, "FFFF", "closed"),
    ("2 at the minimum", {}, "FFFFF", "open"),
    ("3 40%", {}, "SSSFF", "closed"),
    ("4 60%", {}, "SSFFF", "open"),
    ("5 44%", {}, "SSSSSFFFF", "closed"),
    ("6 exactly 50%: at least, not above", {}, "SSSSSFFFFF", "open"),
    ("7a a success never opens (resilience4j does)", {}, "FFFFS", "closed"),
    ("7b", {}, "FFFFSF", "open"),
    ("7c old failures slid out", {}, "FFFSSSSSSSSSSF", "closed"),
    ("8 ignored ones do not count", {}, "IIIIIIFFFF", "closed"),
    ("9 a count window smaller than the minimum asks to be full", {"minimum": 100}, "F" * 9, "closed"),
    ("10", {"minimum": 100}, "F" * 10, "open"),
    ("11 a minimum of one", {"minimum": 1}, "F", "open"),
    ("12 90% of 100%", {"failure_rate": 100}, "FFFFSFFFFF", "closed"),
    ("13 in a row", {"consecutive": 3, "failure_rate": None}, "FFSFF", "closed"),
    ("14", {"consecutive": 3, "failure_rate": None}, "FFSFFF", "open"),
    ("15 an ignored one does not break the row", {"consecutive": 3, "failure_rate": None}, "FFIF", "open"),
    ("19 slow", {"slow_after": 10, "slow_rate": 50, "minimum": 4}, "SSss", "open"),
    ("20 slow failures count as both", {"slow_after": 10, "slow_rate": 50, "minimum": 4, "failure_rate": 100}, "Sfff", "open"),
    ("21", {"slow_after": 10, "slow_rate": 100, "minimum": 4}, "SSSs", "closed"),
    ("22 slow is strictly longer", {"slow_after": SLOW, "slow_rate": 50, "minimum": 4}, "ssss", "closed"),
    ("a failing job alone, where two must fail", {"minimum": 1, "distinct": 2}, "F", "closed"),
    ("two of them", {"minimum": 1, "distinct": 2}, "FF", "open"),
]


@pytest.mark.parametrize(("config", "script", "state"), [row[1:] for row in CLOSED_OR_OPEN], ids=[row[0] for row in CLOSED_OR_OPEN])
def test_r4_what_opens_a_circuit(config: dict[str, Any], script: str, state: str) -> None:
    assert run(circuit(**config), script).state == state


TIMED = [
    ("16 the first left the window", 3, "FFF", [0, 1, 10], "closed"),
    ("17", 3, "FFF", [0, 1, 9], "open"),
    ("18", 4, "FFFSSSSSSSF", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 20], "closed"),
]


@pytest.mark.parametrize(("minimum", "script", "at", "state"), [row[1:] for row in TIMED], ids=[row[0] for row in TIMED])
def test_a_window_of_ten_seconds(minimum: int, script: str, at: list[float], state: str) -> None:
    assert run(circuit(window="time", minimum=minimum), script, at).state == state


def test_8_what_was_ignored_is_not_among_the_calls() -> None:
    assert run(circuit(), "IIIIIIFFFF").calls == 4


@pytest.mark.parametrize(
    ("config", "script", "reason"),
    [
        ({}, "FFFFF", "failure_rate"),
        ({"consecutive": 3, "failure_rate": None}, "FFF", "consecutive"),
        ({"slow_after": 10, "slow_rate": 50, "minimum": 4}, "SSss", "slow_rate"),
        ({"slow_after": 10, "slow_rate": 50, "minimum": 4, "failure_rate": 100}, "Sfff", "slow_rate"),
    ],
)
def test_the_reason_tells_the_rule(config: dict[str, Any], script: str, reason: str) -> None:
    assert run(circuit(**config), script).reason == reason


def test_23_to_26_it_is_open_until_exactly_then() -> None:
    one = opened()
    assert (one.until, one.trips) == (34, 1)
    assert one.admit(5) is None
    assert one.admit(33) is None
    assert granted(one, 34).probe
    assert (one.state, one.reason, one.until) == ("half_open", "elapsed", None)


def test_27_to_29_half_open_lets_as_many_through_as_there_are_probes() -> None:
    one = opened()
    permits = [one.admit(40) for _ in range(5)]
    assert [permit is not None for permit in permits] == [True, True, True, False, False]
    first, second, third = [permit for permit in permits if permit is not None]
    assert one.record(41, first, "ok") == "counted"
    assert one.state == "half_open"
    assert one.admit(41) is None, "a probe that went well gives no place to another"
    one.record(41, second, "ok")
    one.record(41, third, "ok")
    assert (one.state, one.reason, one.calls, one.trips, one.until) == ("closed", "probes_passed", 0, 0, None)


def test_30_to_32_a_failed_probe_opens_it_again_for_longer_and_the_others_are_stale() -> None:
    one = opened()
    first, second, third = (granted(one, 40) for _ in range(3))
    assert one.record(41, first, "fail") == "counted"
    assert (one.state, one.reason, one.trips, one.until) == ("open", "probe_failed", 2, 41 + 60)
    assert one.record(42, second, "ok") == "stale"
    assert one.state == "open"
    assert one.record(200, third, "ok") == "stale"
    assert one.state == "open"


def test_two_of_three_probes_suffice_where_two_are_needed() -> None:
    one = run(circuit(needed=2), "FFFFF")
    permits = [granted(one, 40) for _ in range(3)]
    one.record(41, permits[0], "fail")
    assert one.state == "half_open"
    one.record(41, permits[1], "ok")
    assert one.state == "half_open"
    one.record(41, permits[2], "ok")
    assert one.state == "closed"


def test_two_failed_probes_of_three_are_too_many_where_two_are_needed() -> None:
    one = run(circuit(needed=2), "FFFFF")
    permits = [granted(one, 40) for _ in range(3)]
    one.record(41, permits[0], "fail")
    one.record(42, permits[1], "fail")
    assert (one.state, one.until) == ("open", 42 + 60)


def test_an_ignored_probe_gives_its_permit_back() -> None:
    one = run(circuit(probes=1, needed=1), "FFFFF")
    permit = granted(one, 40)
    assert one.admit(40) is None
    assert one.record(41, permit, "ignore") == "ignored"
    assert one.record(41, permit, "ok") == "stale"
    assert granted(one, 41).probe


def test_a_slow_probe_has_failed() -> None:
    one = run(circuit(probes=1, needed=1, slow_after=10), "FFFFF")
    one.record(60, granted(one, 40), "ok", 10.5)
    assert (one.state, one.reason) == ("open", "probe_failed")


def test_r7_openings_grow_to_the_cap_and_begin_anew_after_a_closing() -> None:
    one = opened()
    lengths = []
    for _ in range(6):
        now = float(one.until or 0)
        one.record(now, granted(one, now), "fail")
        lengths.append(round((one.until or 0) - now))
    assert lengths == [60, 120, 240, 300, 300, 300]
    now = float(one.until or 0)
    for permit in [granted(one, now) for _ in range(3)]:
        one.record(now, permit, "ok")
    assert one.state == "closed"
    run(one, "FFFFF", [now] * 5)
    assert one.until == now + 30


def test_jitter_only_lengthens_even_past_the_cap() -> None:
    one = run(circuit(jitter=0.2, open_cap=10), "FFFFF")
    assert one.until == 4 + 10 * 1.1


def test_38_to_42_a_probe_that_is_not_heard_of_loses_its_place() -> None:
    one = run(circuit(probes=1), "FFFFF")
    zombie = granted(one, 40)
    assert one.admit(99) is None
    fresh = granted(one, 100)
    assert one.record(101, zombie, "fail") == "stale"
    assert one.state == "half_open"
    one.record(102, fresh, "ok")
    assert one.state == "closed"


def test_a_late_probe_counts_while_nobody_took_its_place() -> None:
    one = run(circuit(probes=1), "FFFFF")
    assert one.record(500, granted(one, 40), "ok") == "counted"


def test_50_forced_open_stays() -> None:
    one = circuit()
    one.force("forced_open", 0)
    assert (one.admit(1e6), one.state, one.reason) == (None, "forced_open", "manual")


def test_51_forced_closed_counts_and_never_opens() -> None:
    one = circuit()
    one.force("forced_closed", 0)
    assert run(one, "F" * 50).state == "forced_closed"
    assert one.calls == 10


def test_52_and_53_a_reset_forgets() -> None:
    one = opened()
    one.reset(6)
    assert (one.state, one.reason, one.calls, one.trips, one.until) == ("closed", "reset", 0, 0, None)
    assert run(one, "FFFF", [7, 8, 9, 10]).state == "closed"


def test_54_a_result_from_before_is_stale() -> None:
    one = circuit()
    permit = granted(one, 0)
    one.force("forced_open", 1)
    one.reset(2)
    assert one.record(3, permit, "fail") == "stale"


def test_55_a_probe_from_before_a_reset_is_stale() -> None:
    one = opened()
    probe = granted(one, 40)
    one.reset(41)
    assert one.record(42, probe, "fail") == "stale"
    assert one.state == "closed"


def test_56_half_open_by_hand() -> None:
    one = circuit()
    one.force("forced_open", 0)
    one.force("half_open", 1)
    assert granted(one, 1).probe


def test_a_forced_state_ends_where_an_end_was_said() -> None:
    one = circuit()
    one.force("forced_open", 0, until=100)
    assert one.admit(99) is None
    assert granted(one, 100).probe
    one.force("forced_closed", 101, until=200)
    permit = granted(one, 199)
    assert not permit.probe
    granted(one, 200)
    assert (one.state, one.reason) == ("closed", "elapsed")
    assert one.record(201, permit, "fail") == "stale"


def test_a_state_that_nobody_can_force_is_refused() -> None:
    with pytest.raises(ValueError, match="open"):
        circuit().force("open", 0)


def test_a_dependency_that_asks_for_a_pause_gets_it_without_a_trip() -> None:
    one = circuit()
    permit = granted(one, 0)
    assert one.hold_off(1, 90)
    assert (one.state, one.reason, one.until, one.trips) == ("open", "rate_limited", 91, 0)
    assert not one.hold_off(2, 900), "it lets nothing through already"
    assert one.record(2, permit, "ignore") == "stale"
    assert granted(one, 91).probe


def test_after_a_closing_the_runs_under_way_double_step_by_step() -> None:
    one = run(circuit(ramp=5, needed=1), "FFFFF")
    one.record(40, granted(one, 40), "ok")
    assert one.state == "closed"
    first = [granted(one, 40) for _ in range(3)]
    assert one.admit(44.9) is None
    more = [granted(one, 45) for _ in range(3)]
    assert one.admit(45) is None
    assert [one.record(46, permit, "ok") for permit in [*first, *more]] == ["counted"] * 6
    assert one.limit(40 + 7 * 5) == 3 * 2**7
    assert one.limit(40 + 8 * 5) is None
    granted(one, 40 + 8 * 5)
    assert one.out == 0


def test_failures_in_the_ramp_open_it_again() -> None:
    one = run(circuit(ramp=5, needed=1), "FFFFF")
    one.record(40, granted(one, 40), "ok")
    run(one, "FFFFF", [41, 42, 43, 44, 44])
    assert (one.state, one.reason) == ("open", "failure_rate")


def test_only_a_reset_of_what_held_back_runs_is_followed_by_a_ramp() -> None:
    one = run(circuit(ramp=5), "S")
    one.reset(1)
    assert one.limit(1) is None
    one.force("forced_open", 2)
    one.reset(3)
    assert one.limit(3) == 3


def test_many_good_runs_are_as_good_as_each_of_them() -> None:
    one, other = circuit(window="time"), circuit(window="time")
    for _ in range(7):
        other.record(0, granted(other, 0), "ok")
    assert one.record_good(0, 0, 7) == "counted"
    assert one.written() == other.written()
    verdicts: list[Verdict] = []
    one.force("forced_open", 1)
    verdicts.append(one.record_good(1, 0, 1))
    verdicts.append(one.record_good(1, 1, 1))
    assert verdicts == ["stale", "ignored"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("failure_rate", 101), ("failure_rate", 0), ("slow_rate", 150), ("minimum", 0), ("probes", 0), ("open_for", -1),
        ("window_size", 0), ("window", "moon"), ("consecutive", 0), ("slow_after", -1), ("open_factor", 0.5), ("probe_lease", 0),
    ],
)  # fmt: skip
def test_numbers_that_cannot_be_meant_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        circuit(**{name: value})


def test_the_defaults_are_those_of_the_rules() -> None:
    config = CircuitConfig()
    assert (config.window, config.window_size, config.minimum, config.failure_rate, config.slow_rate) == ("time", 120, 10, 50, 80)
    assert (config.open_for, config.open_factor, config.open_cap, config.jitter) == (30, 2, 900, 0.2)
    assert (config.probes, config.needed, config.consecutive, config.slow_after) == (3, 2, None, None)


def test_its_readout_is_its_state() -> None:
    assert repr(opened()) == "<Circuit open gen=1 calls=5 trips=1 until=34>"


@pytest.mark.parametrize(("asked", "pause"), [(1e12, 86_400.0), (-5.0, 0.0), (3_600.0, 3_600.0)])
def test_a_dependency_cannot_ask_for_more_than_a_day_at_once(asked: float, pause: float) -> None:
    one = Circuit(CircuitConfig(), rng=lambda: 0.0)
    one.hold_off(10, asked)
    assert one.until == 10 + pause
