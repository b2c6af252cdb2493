from decimal import Decimal
from uuid import UUID

import pytest

from tidegate.demo.letters import language, money, receipt, welcome

ORDER = UUID("12345678-1234-4234-8234-1234567890ab")


@pytest.mark.parametrize(
    ("locale", "subject"), [("en", "Welcome aboard"), ("de", "Willkommen an Bord"), ("fr", "Bienvenue à bord")]
)
def test_a_welcome_is_written_in_the_language_of_its_reader(locale, subject):
    assert welcome(7, locale)["Subject"] == subject


@pytest.mark.parametrize(("locale", "spoken"), [("de-AT", "de"), ("fr_CA", "fr"), ("FR", "fr"), ("pt", "en"), ("", "en")])
def test_a_region_is_read_as_its_language_and_a_language_without_words_as_english(locale, spoken):
    assert language(locale) == spoken


def test_a_welcome_goes_to_the_customer():
    assert welcome(4_200)["To"] == "customer-4200@mail.example"


def test_a_letter_written_twice_is_the_same_letter():
    assert welcome(7)["Message-ID"] == welcome(7, "de")["Message-ID"]


def test_letters_about_different_things_are_different_letters():
    about = {welcome(7)["Message-ID"], welcome(8)["Message-ID"], receipt(ORDER, 7, Decimal(1))["Message-ID"]}
    assert len(about) == 3


def test_a_receipt_names_its_order_and_the_total():
    text = receipt(ORDER, 7, Decimal("1234.5"), "de").get_content()
    assert str(ORDER) in text
    assert "1.234,50 €" in text


@pytest.mark.parametrize(
    ("locale", "written"),
    [("en", "€1,234,567.89"), ("de", "1.234.567,89 €"), ("fr", "1\u202f234\u202f567,89 €")],
)
def test_money_is_written_as_its_reader_is_used_to(locale, written):
    assert money(Decimal("1234567.891"), locale) == written
