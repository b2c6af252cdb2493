"""The shop's letters, rendered: numbers and names in, an `EmailMessage` out.

Pure. The Message-ID follows from what the letter is about, so that a letter sent twice is recognisably the same letter.
"""

from __future__ import annotations

from decimal import Decimal
from email.message import EmailMessage
from string import Template
from typing import Final
from uuid import UUID

from tidegate.demo.customers import address

__all__ = ["SENDER", "language", "money", "receipt", "welcome"]

SENDER: Final = "The Tide Shop <shop@tideshop.example>"

_WELCOME: Final = {
    "en": ("Welcome aboard", Template("Hello customer $user_id,\n\nyour account is ready. The tide is in.\n\nThe Tide Shop\n")),
    "de": (
        "Willkommen an Bord",
        Template("Hallo Kunde $user_id,\n\nIhr Konto ist eingerichtet. Die Flut ist da.\n\nThe Tide Shop\n"),
    ),
    "fr": (
        "Bienvenue à bord",
        Template("Bonjour client $user_id,\n\nvotre compte est prêt. La marée est haute.\n\nThe Tide Shop\n"),
    ),
}
_RECEIPT: Final = {
    "en": ("Your receipt", Template("Order $order_id\nTotal $total\n\nThank you, customer $user_id.\n\nThe Tide Shop\n")),
    "de": ("Ihre Quittung", Template("Bestellung $order_id\nSumme $total\n\nVielen Dank, Kunde $user_id.\n\nThe Tide Shop\n")),
    "fr": ("Votre reçu", Template("Commande $order_id\nTotal $total\n\nMerci, client $user_id.\n\nThe Tide Shop\n")),
}
_SEPARATORS: Final = {"en": (",", "."), "de": (".", ","), "fr": ("\N{NARROW NO-BREAK SPACE}", ",")}


def welcome(user_id: int, locale: str = "en") -> EmailMessage:
    """Render the letter that greets a new customer."""
    subject, body = _WELCOME[language(locale)]
    return _letter(user_id, subject, body.substitute(user_id=user_id), f"welcome-{user_id}")


def receipt(order_id: UUID, user_id: int, total: Decimal, locale: str = "en") -> EmailMessage:
    """Render the receipt of an order."""
    subject, body = _RECEIPT[language(locale)]
    text = body.substitute(order_id=order_id, user_id=user_id, total=money(total, locale))
    return _letter(user_id, subject, text, f"receipt-{order_id}")


def language(locale: str) -> str:
    """Return the language that is written for `locale`: its own where there are words for it, English otherwise."""
    spoken = locale.replace("_", "-").split("-")[0].lower()
    return spoken if spoken in _WELCOME else "en"


def money(amount: Decimal, locale: str) -> str:
    """Write an amount in euros, rounded to the cent, as the reader is used to."""
    spoken = language(locale)
    thousands, point = _SEPARATORS[spoken]
    plain = f"{amount:,.2f}".translate({ord(","): thousands, ord("."): point})
    return f"€{plain}" if spoken == "en" else f"{plain} €"


def _letter(user_id: int, subject: str, text: str, about: str) -> EmailMessage:
    letter = EmailMessage()
    letter["From"] = SENDER
    letter["To"] = address(user_id)
    letter["Subject"] = subject
    letter["Message-ID"] = f"<{about}@tideshop.example>"
    letter.set_content(text)
    return letter
