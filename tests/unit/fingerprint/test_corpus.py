"""The hostile corpus: at least 95% of 300 failures are grouped as a person would group them."""

from __future__ import annotations

from collections import defaultdict

from tests.unit.fingerprint.corpus import corpus

from tidegate.fingerprint import Application, fingerprint


def test_failures_are_grouped_as_a_person_would_group_them() -> None:
    application = Application(["shop.jobs"])
    by_person: dict[str, set[int]] = defaultdict(set)
    by_print: dict[str, set[int]] = defaultdict(set)
    grounds: dict[int, str] = {}
    groups: dict[int, str] = {}
    for number, (group, error) in enumerate(corpus()):
        found = fingerprint(error, kind="shop.jobs:run", application=application)
        by_person[group].add(number)
        by_print[found.id].add(number)
        grounds[number], groups[number] = found.grounds, group
    person = {number: members for members in by_person.values() for number in members}
    right = [number for members in by_print.values() for number in members if person[number] == members]
    wrong = [f"{groups[number]}: {grounds[number]}" for number in sorted(grounds) if number not in right]
    print(f"{len(grounds)} failures, {len(by_person)} groups, {len(right) / len(grounds):.1%} right", *wrong, sep="\n  ")
    assert len(grounds) >= 300
    assert len(right) / len(grounds) >= 0.95, "\n".join(wrong)
