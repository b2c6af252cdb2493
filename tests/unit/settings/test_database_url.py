"""The database's address, with and without its password."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.settings import mask_url
from tidegate.settings.database_url import parse_database

ADDRESSES = {
    "embedded": "embedded",
    "postgresql://me:pw@db:5432/shop": "postgresql://me:pw@db:5432/shop",
    "postgres://me:pw@db/shop": "postgresql://me:pw@db/shop",
    "postgresql+psycopg://db/shop": "postgresql://db/shop",
    "postgresql+asyncpg://db/shop": "postgresql://db/shop",
    "postgresql://": "postgresql://",
    "postgresql:///shop?host=/run/postgresql": "postgresql:///shop?host=/run/postgresql",
    "postgresql://a:1,b:2/shop": "postgresql://a:1,b:2/shop",
    "postgresql://[::1]:5432/shop": "postgresql://[::1]:5432/shop",
}


@pytest.mark.parametrize(("written", "address"), ADDRESSES.items(), ids=ADDRESSES)
def test_an_address_is_brought_to_one_form(written, address):
    assert parse_database(written) == address


@pytest.mark.parametrize(
    "written",
    [
        "",
        "Embedded",
        "shop",
        "sqlite:///x",
        "postgresql:/db",
        "host=db",
        5,
        None,
        [],
        "postgresql://db:99999/x",
        "postgresql://[::1/x",
    ],
)
def test_what_is_no_address_of_postgresql_is_refused(written):
    with pytest.raises(ValueError, match=r"expected embedded|PostgreSQL only|not a valid address"):
        parse_database(written)


MASKED = {
    "embedded": "embedded",
    "postgresql://db/shop": "postgresql://db/shop",
    "postgresql://me@db/shop": "postgresql://me@db/shop",
    "postgresql://me:pw@db/shop": "postgresql://me:***@db/shop",
    "postgresql://me:@db/shop": "postgresql://me:***@db/shop",
    "postgresql://me:p@w/x:y@db/shop": "postgresql://me:***@db/shop",
    "postgresql://db/shop?user=me&password=pw&sslmode=require": "postgresql://db/shop?user=me&password=***&sslmode=require",
    "postgresql://db/shop?sslpassword=pw": "postgresql://db/shop?sslpassword=***",
    "host=db password=pw dbname=shop": "host=db password=*** dbname=shop",
    "host=db password = 'p w\\'' dbname=shop": "host=db password = *** dbname=shop",
    "me:pw@db": "me:pw@db",
    "": "",
}


@pytest.mark.parametrize(("address", "masked"), MASKED.items(), ids=MASKED)
def test_a_password_is_masked_wherever_it_stands(address, masked):
    assert mask_url(address) == masked


@given(st.text(min_size=3).filter(lambda password: password not in "postgresql://me:***@host/shop"))
def test_no_password_whatever_is_in_it_is_shown(password):
    assert password not in mask_url(f"postgresql://me:{password}@host/shop")
