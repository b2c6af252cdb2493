"""One try through each way, against real servers and programs that do what they should not."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shlex
import ssl
import stat
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from tests.support.endpoint import Endpoint
from tests.support.stand import until

from tidegate.notifications import Channel, Undelivered, channels_of, deliver, trust
from tidegate.notifications.wording import body
from tidegate.settings import Settings
from tidegate.store.alerts import Happening

NODE = {"node": "n1", "host": "h", "pid": 1, "queues": ["q"], "why": "$(touch pwned); `touch pwned`; its lease ran out"}
TOLD = body(Happening("node_lost", "h", 0.0, NODE))

logging.getLogger("mail.log").setLevel(logging.WARNING)


def channel(folder: Path = Path(), **rule: Any) -> Channel:
    settings = Settings(queues={"email": {}}, notifications=[rule])
    return channels_of(settings.notifications, folder)[0]


async def refusal(channel: Channel) -> str:
    with pytest.raises(Undelivered) as refused:
        await deliver(channel, TOLD)
    return str(refused.value)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as endpoint:
        yield endpoint


async def test_a_webhook_is_posted_text_and_facts(endpoint: Endpoint) -> None:
    await deliver(channel(webhook=endpoint.url, token="t0ken"), TOLD)
    [told] = endpoint.told
    assert told["text"].startswith("node n1 is lost")
    assert (told["event"], told["count"], told["facts"]["node"]) == ("node_lost", 1, "n1")
    assert {key.lower(): value for key, value in endpoint.headers[0].items()}["authorization"] == "Bearer t0ken"


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        (500, "the endpoint answered 500: no"),
        (404, "the endpoint answered 404: no"),
        ("to a file", "the endpoint answered 302, a redirect, which is not followed: name the place itself"),
        ("silent", "no answer within 0.5 s"),
        ("dripping", "no answer within 0.5 s"),
        ("huge refusal", "the endpoint answered 500: yyy"),
        ("nonsense", "illegal"),
    ],
)
async def test_an_endpoint_that_does_not_take_it(endpoint: Endpoint, mode: int | str, words: str) -> None:
    endpoint.mode = mode
    said = await refusal(channel(webhook=endpoint.url, timeout=0.5 if "0.5" in words else 20))
    assert words in said
    assert "s3cret" not in said
    assert "qu3ry" not in said
    assert len(said) < 400


async def test_of_a_huge_answer_nothing_is_read(endpoint: Endpoint) -> None:
    endpoint.mode = "huge"
    await deliver(channel(webhook=endpoint.url), TOLD)
    assert len(endpoint.told) == 1


async def test_an_endpoint_that_is_gone(endpoint: Endpoint) -> None:
    with Endpoint() as gone:
        url = gone.url
    said = await refusal(channel(webhook=url))
    assert "connection" in said.lower()
    assert "s3cret" not in said


async def test_an_endpoint_that_wants_to_be_left_alone(endpoint: Endpoint) -> None:
    endpoint.mode = "later"
    with pytest.raises(Undelivered) as refused:
        await deliver(channel(webhook=endpoint.url), TOLD)
    assert refused.value.retry_after == 77


class Postmaster:
    """Takes mail, and refuses some."""

    def __init__(self) -> None:
        self.letters: list[bytes] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802 - aiosmtpd's
        if address.startswith("nobody"):
            return "550 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's
        self.letters.append(envelope.content)
        return "250 OK"


@asynccontextmanager
async def mail_server(
    *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", **options: Any
) -> AsyncIterator[tuple[Postmaster, str]]:
    postmaster, loop = Postmaster(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(postmaster, hostname="localhost", loop=loop, **options), host, 0, ssl=tls)
    try:
        yield postmaster, f"{host}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def test_mail_goes_through_a_real_server() -> None:
    async with mail_server() as (postmaster, place):
        await deliver(channel(smtp=f"smtp://{place}", to=["ops@example.org", "b@example.org"], sender="tide@example.org"), TOLD)
    [letter] = postmaster.letters
    mail = message_from_bytes(letter, policy=default)
    assert mail["Subject"].strip().startswith("[tidegate] node n1 is lost")
    assert mail["To"] == "ops@example.org, b@example.org"
    assert b"notification.json" in letter


async def test_one_refused_recipient_is_an_alert_that_was_not_told() -> None:
    async with mail_server() as (_, place):
        some = channel(smtp=f"smtp://{place}", to=["ops@example.org", "nobody@example.org"])
        assert "nobody@example.org" in await refusal(some)
        assert "no such user" in await refusal(channel(smtp=f"smtp://{place}", to="nobody@example.org"))


async def test_a_mail_server_that_wants_a_password() -> None:
    def check(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        return AuthResult(success=data == LoginPassword(b"tide", b"pass/word"), handled=False)

    async with mail_server(authenticator=check, auth_require_tls=False) as (postmaster, place):
        await deliver(channel(smtp=f"smtp://tide:pass%2Fword@{place}", to="ops@example.org"), TOLD)
        assert len(postmaster.letters) == 1
        said = await refusal(channel(smtp=f"smtp://tide:s3cret@{place}", to="ops@example.org"))
    assert "535" in said
    assert "s3cret" not in said


CERTIFICATE = Path(__file__).parents[2] / "support" / "certificate.pem"
UNTRUSTED = (
    "its certificate is not trusted: self-signed certificate (SSL_CERT_FILE names the certificate of an authority of your own)"
)


@pytest.fixture
def certified() -> ssl.SSLContext:
    """What a server with a certificate that nobody vouches for speaks TLS with."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    return context


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process trusts that certificate, as the environment says it is to."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    trust._context.cache_clear()
    yield
    trust._context.cache_clear()


def ask(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=data == LoginPassword(b"tide", b"s3cret"), handled=False)


@pytest.mark.usefixtures("trusting")
async def test_mail_is_handed_over_within_tls(certified: ssl.SSLContext) -> None:
    async with mail_server(tls_context=certified, require_starttls=True, authenticator=ask) as (postmaster, place):
        await deliver(channel(smtp=f"smtp://tide:s3cret@{place}", to="ops@example.org"), TOLD)
        await deliver(channel(smtp=f"smtp://tide:s3cret@{place.replace('127.0.0.1', 'localhost')}", to="ops@example.org"), TOLD)
        assert len(postmaster.letters) == 2
    async with mail_server(tls=certified, authenticator=ask, auth_require_tls=False) as (postmaster, place):
        await deliver(channel(smtp=f"smtps://tide:s3cret@{place}", to="ops@example.org"), TOLD)
        assert len(postmaster.letters) == 1


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_a_certificate_that_nobody_vouches_for_is_refused_before_the_password(certified: ssl.SSLContext, scheme: str) -> None:
    asked: list[str] = []

    def asks(*said: Any) -> AuthResult:
        asked.append(repr(said))
        return AuthResult(success=True)

    way: dict[str, Any] = {"tls_context": certified} if scheme == "smtp" else {"tls": certified}
    async with mail_server(authenticator=asks, auth_require_tls=False, **way) as (postmaster, place):
        said = await refusal(channel(smtp=f"{scheme}://tide:s3cret@{place}", to="ops@example.org"))
    assert said == UNTRUSTED
    assert (asked, postmaster.letters) == ([], [])


@pytest.mark.usefixtures("trusting")
async def test_a_certificate_of_another_host_is_refused(certified: ssl.SSLContext) -> None:
    async with mail_server(tls=certified, host="127.0.0.2") as (postmaster, place):
        said = await refusal(channel(smtp=f"smtps://{place}", to="ops@example.org"))
    assert "not valid for '127.0.0.2'" in said
    assert postmaster.letters == []


async def test_tls_to_a_port_without_it_says_so() -> None:
    async with mail_server() as (_, place):
        assert "there is no TLS on this port" in await refusal(channel(smtp=f"smtps://{place}", to="ops@example.org"))


async def test_a_webhook_with_tls_is_told_where_its_certificate_is_trusted(
    certified: ssl.SSLContext, request: pytest.FixtureRequest
) -> None:
    with Endpoint(tls=certified) as endpoint:
        assert await refusal(channel(webhook=endpoint.url)) == UNTRUSTED
        request.getfixturevalue("trusting")
        await deliver(channel(webhook=endpoint.url), TOLD)
        assert len(endpoint.told) == 1


async def test_a_mail_server_that_is_gone_or_silent() -> None:
    with Endpoint() as gone:
        port = gone.port
    assert "127.0.0.1" in await refusal(channel(smtp=f"smtp://127.0.0.1:{port}", to="ops@example.org"))
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
    async with server:
        silent = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert await refusal(channel(smtp=silent, to="ops@example.org", timeout=0.3)) == "no answer within 0.3 s"


def program(folder: Path, text: str) -> Path:
    path = folder / "alert"
    (folder / "alert.py").write_text(text, "utf-8")
    words = shlex.join([sys.executable, str(folder / "alert.py")])
    path.write_text(f'#!/bin/sh\nexec {words} "$@"\n', "utf-8")  # the path of an interpreter after #! can have no space
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


async def test_a_command_reads_json_and_no_shell_reads_it(tmp_path: Path) -> None:
    path = program(tmp_path, "import sys; open('told', 'w').write(sys.stdin.read() + repr(sys.argv[1:]))")
    await deliver(channel(tmp_path, command=[str(path), "a b", "$HOME"]), TOLD)
    told, words = (tmp_path / "told").read_text("utf-8").split("\n")
    assert json.loads(told)["event"] == "node_lost"
    assert words == "['a b', '$HOME']"
    assert not (tmp_path / "pwned").exists()


async def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    path = program(tmp_path, "import sys; sys.stderr.write('x' * 100_000 + 'no credit'); sys.exit(3)")
    said = await refusal(channel(tmp_path, command=str(path)))
    assert said.startswith("it ended with 3: ")
    assert "could not be started" in await refusal(channel(tmp_path, command="./nowhere"))


async def test_a_command_need_not_read(tmp_path: Path) -> None:
    big = body(Happening("node_lost", "h", 0.0, {**NODE, "queues": ["q" * 900] * 50, "more": ["q" * 900] * 50}))
    await deliver(channel(tmp_path, command=str(program(tmp_path, "pass"))), big)


async def test_a_command_that_does_not_end_is_killed_with_what_it_started(tmp_path: Path) -> None:
    path = tmp_path / "alert"
    path.write_text("#!/bin/sh\nsleep 600 &\necho $! >pid1\necho $$ >pid0\nwait\n", "utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    assert await refusal(channel(tmp_path, command=str(path), timeout=3)) == "no answer within 3 s"
    pids = [int((tmp_path / name).read_text("utf-8")) for name in ("pid0", "pid1")]

    def gone() -> bool:
        return not any(alive(pid) for pid in pids)

    await until(gone, what="both to end")


async def test_a_command_that_leaves_something_behind_is_not_waited_for(tmp_path: Path) -> None:
    text = "import os, time\nif os.fork() == 0:\n    open('pid', 'w').write(str(os.getpid())); time.sleep(60)"
    started = time.monotonic()
    await deliver(channel(tmp_path, command=str(program(tmp_path, text)), timeout=60), TOLD)
    assert time.monotonic() - started < 45
    left = await until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text("utf-8"), what="its child")
    os.kill(int(left), 9)


async def test_the_log_is_a_channel(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "tidegate.notifications"):
        await deliver(channel(log=True), TOLD)
    assert "node n1 is lost" in caplog.text


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
