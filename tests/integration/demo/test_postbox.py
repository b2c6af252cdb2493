"""Real SMTP conversations with the local server."""

import smtplib
import socket
from decimal import Decimal
from mailbox import Maildir
from uuid import UUID

import pytest

from tidegate.demo.customers import address
from tidegate.demo.letters import receipt, welcome
from tidegate.demo.post import Undeliverable, letters_in, send
from tidegate.demo.postbox import Postbox
from tidegate.errors import ConfigurationError


@pytest.fixture
def postbox(tmp_path, monkeypatch):
    with Postbox(tmp_path / "mail") as box:
        monkeypatch.setenv("SMTP_URL", box.url)
        yield box


def test_a_letter_arrives_as_it_was_written(postbox):
    send(welcome(1, "fr"))
    [arrived] = Maildir(postbox.folder, create=False)
    assert (arrived["To"], arrived["Message-ID"]) == (address(1), "<welcome-1@tideshop.example>")
    assert "la marée est haute" in arrived.get_payload(decode=True).decode().lower()


def test_a_letter_tells_when_it_was_sent(postbox):
    send(welcome(1))
    [arrived] = Maildir(postbox.folder, create=False)
    assert arrived["Date"].endswith("+0000")


def test_a_receipt_keeps_its_characters(postbox):
    send(receipt(UUID(int=7), 1, Decimal("1234.5"), "de"))
    [arrived] = Maildir(postbox.folder, create=False)
    assert "1.234,50 €" in arrived.get_payload(decode=True).decode()


def test_a_greylisted_letter_is_refused_once_and_then_taken(postbox):
    with pytest.raises(smtplib.SMTPRecipientsRefused, match="451"):
        send(welcome(7))
    send(welcome(7))
    assert list(letters_in(postbox.folder)) == ["<welcome-7@tideshop.example>"]


def test_a_full_mailbox_is_refused_in_a_way_that_may_pass(postbox):
    with pytest.raises(smtplib.SMTPRecipientsRefused, match="452"):
        send(welcome(55))


def test_an_unknown_user_is_undeliverable(postbox):
    with pytest.raises(Undeliverable, match=r"customer-13@gone\.example: 550 5\.1\.1 No such user here"):
        send(welcome(13))


def test_a_refused_letter_is_not_kept(postbox):
    with pytest.raises(Undeliverable):
        send(welcome(13))
    assert (list(letters_in(postbox.folder)), postbox.refused, postbox.accepted) == ([], 1, 0)


def test_two_servers_serve_side_by_side(postbox, tmp_path):
    with Postbox(tmp_path / "other") as other:
        assert other.url != postbox.url


def test_a_closed_postbox_answers_no_more(tmp_path, monkeypatch):
    with Postbox(tmp_path / "mail") as box:
        monkeypatch.setenv("SMTP_URL", box.url)
    with pytest.raises(ConnectionRefusedError):
        send(welcome(1))


def test_a_client_that_still_talks_does_not_hold_the_server(tmp_path):
    with Postbox(tmp_path / "mail") as box:
        client = socket.create_connection(("127.0.0.1", int(box.url.rpartition(":")[2])))
        assert client.recv(100).startswith(b"220 localhost")
    with client:
        assert client.recv(100) == b""


def test_without_a_server_letters_are_kept_in_the_shops_maildir(tmp_path, monkeypatch):
    monkeypatch.delenv("SMTP_URL", raising=False)
    monkeypatch.setenv("SHOP_HOME", str(tmp_path / "shop"))
    send(welcome(1))
    assert list(letters_in(tmp_path / "shop" / "mail")) == ["<welcome-1@tideshop.example>"]


def test_a_maildir_that_does_not_exist_holds_no_letters(tmp_path):
    assert list(letters_in(tmp_path / "nowhere")) == []


@pytest.mark.parametrize("url", ["http://localhost:25", "smtp://", "smtp://localhost:mail", "localhost:25"])
def test_an_address_that_is_no_smtp_server_is_refused_with_the_way_out(url, monkeypatch):
    monkeypatch.setenv("SMTP_URL", url)
    with pytest.raises(ConfigurationError, match="SMTP_URL") as refused:
        send(welcome(1))
    assert "smtp://host:port" in refused.value.hint
