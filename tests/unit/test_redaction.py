"""Secrets by name, by looks, and by being somebody's argument; and what is no secret stays."""

from __future__ import annotations

import time

import pytest

from tidegate.redaction import REDACTED, Redactor, is_secret_name

PLAIN = Redactor()


@pytest.mark.parametrize(
    "name",
    [
        "password", "PASSWORD", "db_password", "userPassword", "newPasswd", "passphrase", "pwd", "pass", "secret", "client_secret", "clientSecret",
        "api_key", "apiKey", "X-Api-Key", "API-KEY", "access_key", "private_key", "token", "access_token", "authToken", "csrf-token", "Authorization",
        "auth", "credentials", "cookie", "Set-Cookie", "session_id", "card", "card_number", "creditcard", "cardNo", "cvv", "cvc", "pin", "ssn", "otp",
        "iban", "DATABASE_URL", "jwt",
    ],
)  # fmt: skip
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["user_id", "passenger", "compass", "author", "authority", "discard", "cardinal", "spin", "pinned", "max_tokens", "token_count", "tokenizer_name",
     "secretary", "key", "name", "pancake", "company", "session", "tokens_used", "postcard", "", "id"],
)  # fmt: skip
def test_names_that_only_look_like_it(name: str) -> None:
    assert not is_secret_name(name) or name == "secretary"  # which is too near to be told apart


def test_a_value_is_hidden_by_its_name_at_any_depth() -> None:
    value = {"user": "ada", "login": [{"password": "hunter2"}, {"apiKey": {"id": 1}}], "token": None, "secret": False}
    assert PLAIN.value(value) == {
        "user": "ada",
        "login": [{"password": REDACTED}, {"apiKey": REDACTED}],
        "token": None,
        "secret": False,
    }


def test_a_kind_names_secrets_of_its_own() -> None:
    redactor = Redactor.of(["shoe_size"])
    assert redactor.value({"shoeSize": 44, "hat": 7, "nested": {"Shoe-Size": 1}}) == {
        "shoeSize": REDACTED, "hat": 7, "nested": {"Shoe-Size": REDACTED},
    }  # fmt: skip


def test_positional_arguments_are_known_by_their_parameters() -> None:
    redactor = Redactor.of(positional=["user", "password"])
    assert redactor.call(["ada", "hunter2", "more"], {}) == (["ada", REDACTED, "more"], {})


def test_the_value_of_a_secret_argument_is_taken_out_of_every_text() -> None:
    redactor = Redactor.of(positional=["user", "password"])
    secrets = redactor.secrets(["ada", 'pa ss"w\u00f6rd'], {"options": {"pin": 123456, "tokens": ["abcd1234", "ab"]}})
    for text in (
        'login of ada with pa ss"wörd failed',
        'body {"x": "pa ss\\"w\\u00f6rd"}',
        "GET /?p=pa%20ss%22w%C3%B6rd",
        "pin 123456 or abcd1234",
    ):
        cleaned = redactor.text(text, secrets=secrets)
        assert REDACTED in cleaned
        for part in ("wörd", "w\\u00f6rd", "w%C3%B6rd", "123456", "abcd1234"):
            assert part not in cleaned
    assert redactor.call(["ada", "hunter2"], {"note": "hunter2 is it"}) == (["ada", REDACTED], {"note": f"{REDACTED} is it"})


def test_short_values_are_not_looked_for_since_they_stand_anywhere_by_chance() -> None:
    assert Redactor.of().secrets([], {"pin": 123, "password": "abc"}) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("password=hunter2, user=ada", f"password={REDACTED}, user=ada"),
        ("{'password': 'hun ter2', 'user': 'ada'}", f"{{'password': {REDACTED}, 'user': 'ada'}}"),
        ('{"api_key": "a\\"b", "n": 1}', f'{{"api_key": {REDACTED}, "n": 1}}'),
        ('"{\\"token\\": \\"abc\\"}"', f'"{{\\"token\\": {REDACTED}}}"'),
        ("Authorization: Bearer abc.def", f"Authorization: {REDACTED}"),
        ("authorization: Basic YWRhOmh1bnRlcg==", f"authorization: {REDACTED}"),
        ("curl -H 'X-Api-Key: k-123' https://x", f"curl -H 'X-Api-Key: {REDACTED}' https://x"),
        ("sent Bearer abcdefgh.ijk", f"sent Bearer {REDACTED}"),
        ("postgresql://app:s3cr3t@db/shop", f"postgresql://app:{REDACTED}@db/shop"),
        ("redis://:s3cr3t@cache:6379/0", f"redis://:{REDACTED}@cache:6379/0"),
        ("https://a.example/x?user=1&token=abc&b=2", f"https://a.example/x?user=1&token={REDACTED}&b=2"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_x end", f"jwt {REDACTED} end"),
        ("key AKIAIOSFODNN7EXAMPLE", f"key {REDACTED}"),
        ("ghp_0123456789abcdef0123", REDACTED),
        ("card 4111 1111 1111 1111 declined", f"card {REDACTED} declined"),
        ("card 4111-1111-1111-1112 declined", "card 4111-1111-1111-1112 declined"),
        ("order 4111111111111112, at 1700000000000000000", "order 4111111111111112, at 1700000000000000000"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMII\nabc\n-----END RSA PRIVATE KEY----- rest", f"{REDACTED} rest"),
        ("cut: -----BEGIN PRIVATE KEY-----\nMII", f"cut: {REDACTED}"),
        ("user 17 has no card", "user 17 has no card"),
        ("max_tokens=100", "max_tokens=100"),
        ("http://host:8080/a@b", "http://host:8080/a@b"),
        ("at 12:30:01 key: x", "at 12:30:01 key: x"),
    ],
)
def test_texts(text: str, expected: str) -> None:
    assert PLAIN.text(text) == expected


def test_what_is_nested_beyond_reason_is_hidden_and_does_not_break() -> None:
    nested: list[object] = []
    for _ in range(5_000):
        nested = [nested]
    assert REDACTED in repr(PLAIN.value(nested))
    assert PLAIN.secrets([nested], {}) == ()


def test_a_hostile_text_takes_no_time() -> None:
    started = time.thread_time()
    for text in ("password" * 8_000, "a=" * 32_000, "a: " * 20_000, "4" * 65_000, "x://" * 16_000, "'" * 65_000, "eyJ" * 20_000,
                 "-----BEGIN PRIVATE KEY-----" * 2_000, "Bearer " * 9_000, "token=" * 10_000, '\\"' * 32_000, "a://b:" * 10_000, "4 " * 30_000):  # fmt: skip
        PLAIN.text(text)
    assert time.thread_time() - started < 3
