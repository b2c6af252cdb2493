"""Who the shop writes to, and how their mail servers behave.

A customer is a number; the last two digits decide where the mailbox lives. So a fixed share of the letters meets each trouble that
mail has in the world, and everybody (the feeder, the local server, a test) can tell from the number alone which one.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

__all__ = ["Domain", "address", "domain"]


class Domain(StrEnum):
    """A mail domain, by the behaviour of its server."""

    FRIENDLY = "mail.example"
    """Takes every letter."""
    GREYLISTING = "greylisting.example"
    """Refuses the first try from a stranger for now (451), takes the second."""
    FULL = "full.example"
    """Has no room, now or later (452)."""
    GONE = "gone.example"
    """Knows no such user and never will (550)."""


# 5 in 100 letters are greylisted: with 6 letters in 10 jobs that makes 3 in 100 jobs fail once and then succeed
_RESIDENTS: Final = {
    **dict.fromkeys((7, 23, 42, 68, 91), Domain.GREYLISTING),
    55: Domain.FULL,
    13: Domain.GONE,
}


def domain(user_id: int) -> Domain:
    """Return the domain of a customer's mailbox."""
    return _RESIDENTS.get(user_id % 100, Domain.FRIENDLY)


def address(user_id: int) -> str:
    """Return a customer's mail address."""
    return f"customer-{user_id}@{domain(user_id)}"
