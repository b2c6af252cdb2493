"""The part of the catalogue that is about dead letters, and about bringing them back."""

from __future__ import annotations

from typing import Final

from tidegate.observe.metric import Exists, Metric

__all__ = ["DEAD_GROUPS", "DEAD_LETTERS_OF_THE_FLEET", "DEAD_LETTERS_OPEN", "REDRIVES", "REDRIVE_LETTERS"]

DEAD_LETTERS_OPEN: Final = Metric(
    "tidegate_dead_letters_open",
    "gauge",
    ("queue",),
    "Dead letters of the queue that nobody has dealt with; counted every ten seconds or more.",
    Exists.LEADER,
)
DEAD_GROUPS: Final = Metric(
    "tidegate_dead_letter_group_jobs",
    "gauge",
    ("fingerprint", "kind", "error"),
    "The ten largest groups of dead letters that nobody has dealt with: how many are in each; counted like the open ones.",
    Exists.LEADER,
)
REDRIVES: Final = Metric(
    "tidegate_redrives",
    "gauge",
    ("state",),
    "Retries of many dead letters: running, interrupted (nobody drives it on) or stopped (by its canaries, within a day).",
    Exists.LEADER,
)
REDRIVE_LETTERS: Final = Metric(
    "tidegate_redrive_letters_left",
    "gauge",
    ("state",),
    "Dead letters that these redrives have still to bring back, by the same states.",
    Exists.LEADER,
)
DEAD_LETTERS_OF_THE_FLEET: Final = (DEAD_LETTERS_OPEN, DEAD_GROUPS, REDRIVES, REDRIVE_LETTERS)
"""What the leader's snapshot says of dead letters, in the order of the reference."""
