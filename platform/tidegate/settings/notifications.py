"""What can be said about who is told what: one rule each. Where it is told may hold a secret, so that no view shows it whole."""

from __future__ import annotations

import re
import shlex
from typing import Annotated, Any, ClassVar, Final, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, WithJsonSchema, field_serializer, model_validator

from tidegate.settings.durations import Duration
from tidegate.settings.group import Flag, Frozen, Whole
from tidegate.settings.words import did_you_mean, listed, shown

__all__ = ["NOTIFIED", "TARGETS", "NotificationRule", "Target", "shown_target", "uniquely_named"]

Target = Literal["webhook", "smtp", "command", "log"]
TARGETS: Final = get_args(Target)
NOTIFIED: Final = ("dead_letter", "error_new", "error_regressed", "circuit_opened", "queue_late", "node_lost")
"""What can be told."""
RULE_NAME: Final = "[A-Za-z][A-Za-z0-9_-]{0,62}"
ADDRESS: Final = r"[^\s@<>,;:\x00-\x1f\x7f]+@[^\s@<>,;:\x00-\x1f\x7f]+"
HIDDEN: Final = "***"


def _texts(value: Any) -> Any:
    """One text stands for a list of it; nothing, as it comes out of `${NAME:-}`, for an empty one."""
    if value is None or value == "":
        return ()
    return (value,) if isinstance(value, str) else value


def _event(value: Any) -> Any:
    if value == "all" or value in NOTIFIED:
        return value
    known = (*NOTIFIED, "all")
    close = did_you_mean(value, known) if isinstance(value, str) else ""
    raise ValueError(f"expected {listed(known, 'or')}, got {shown(value)}{close}")


def _text(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    raise ValueError("expected a text")


def _url(schemes: tuple[str, ...], such_as: str) -> Any:
    """Return the check of an address. What it says of a wrong one never repeats it: it may hold a secret."""

    def check(value: Any) -> Any:
        url = _text(value)
        if not url:
            return ""
        try:
            parts = urlsplit(url)
            sound = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
        except ValueError:
            sound = False
        if not sound or re.search(r"[\s\x00-\x1f\x7f]", url):
            raise ValueError(f"expected an address such as {such_as}")
        return url

    return check


def _command(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return tuple(shlex.split(value))
        except ValueError as error:
            raise ValueError(f"not a command line ({error}); write a list such as [./alert, --loud]") from None
    return () if value is None else value


def _word(value: Any) -> Any:
    if isinstance(value, str) and "\0" not in value:
        return value
    raise ValueError("expected a word of a command line")


def _address(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(ADDRESS, value):
        return value
    raise ValueError(f"expected a mail address such as ops@example.org, got {shown(value)}")


def _rule_name(value: Any) -> Any:
    if value is None or (isinstance(value, str) and re.fullmatch(RULE_NAME, value)):
        return value
    raise ValueError(f"the name of a rule has 1 to 63 letters, digits, - and _, and begins with a letter; got {shown(value)}")


def _name(value: Any) -> Any:
    if isinstance(value, str) and value:
        return value
    raise ValueError(f"expected the name of a queue, got {shown(value)}")


TEXT: Final = {"type": "string"}
EVENT: Final = {"enum": ["all", *NOTIFIED]}


def _one_or_more(item: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [item, {"type": "array", "items": item}]})


Text = Annotated[str, BeforeValidator(_text), WithJsonSchema(TEXT)]
Event = Annotated[str, BeforeValidator(_event), WithJsonSchema(EVENT)]
Word = Annotated[str, BeforeValidator(_word), WithJsonSchema(TEXT)]
Address = Annotated[str, BeforeValidator(_address), WithJsonSchema(TEXT)]
Webhook = Annotated[
    str, BeforeValidator(_url(("http", "https"), "https://hooks.example.org/alerts")), WithJsonSchema(TEXT), Field(repr=False)
]
Smtp = Annotated[
    str, BeforeValidator(_url(("smtp", "smtps"), "smtp://user:password@host:587")), WithJsonSchema(TEXT), Field(repr=False)
]
Name = Annotated[str, BeforeValidator(_name), WithJsonSchema(TEXT)]


class NotificationRule(Frozen):
    """What is told, and where: by exactly one of webhook, smtp, command and log."""

    form: ClassVar[str] = 'a mapping such as {on: dead_letter, webhook: "${ALERT_URL:-}"}'

    name: Annotated[str | None, BeforeValidator(_rule_name)] = None
    """What it is called in views and metrics; `webhook-1` (its way and its place in the list) where this is left out."""
    on: Annotated[tuple[Event, ...], BeforeValidator(_texts), _one_or_more(EVENT)] = ("all",)
    """What is told: one or several of dead_letter, error_new, error_regressed, circuit_opened, queue_late and node_lost, or all."""
    queues: Annotated[tuple[Name, ...], BeforeValidator(_texts), _one_or_more(TEXT)] = ()
    """Only what concerns these queues; of every queue where this is left out."""
    webhook: Webhook = ""
    """An address that JSON is posted to, with a `text` as chat programs want it. Empty: switched off, as are the next ones."""
    token: Annotated[Text, Field(repr=False)] = ""
    """Sent to the webhook as `Authorization: Bearer`."""
    smtp: Smtp = ""
    """A mail server: smtp://user:password@host:587, with TLS where offered (with a password: always), or smtps://, with TLS."""
    to: Annotated[tuple[Address, ...], BeforeValidator(_texts), _one_or_more(TEXT)] = ()
    """Whom the mail goes to."""
    sender: Annotated[str, BeforeValidator(_address), WithJsonSchema(TEXT)] = "tidegate@localhost"
    """Whom the mail comes from."""
    command: Annotated[tuple[Word, ...], BeforeValidator(_command), _one_or_more(TEXT), Field(repr=False)] = ()
    """A program and its arguments, run without a shell in the file's folder; it reads the JSON on its standard input."""
    log: Flag = False
    """Tell it to the log of the node that leads."""
    latency: Duration = 0.0
    """For queue_late: how long the oldest ready job of a queue may have waited; 0: the queue's own `scaling.target_latency`."""
    repeat: Duration = 600.0
    """The same group is told once in this time; what comes in between is counted in a digest."""
    rate: Annotated[Whole, Field(ge=1, le=10_000)] = 10
    """The most that is told in a minute; what is beyond is counted in a digest."""
    digest: Annotated[Duration, Field(ge=1)] = 600.0
    """How often a digest tells what was held back, where something was."""
    timeout: Annotated[Duration, Field(gt=0, le=300)] = 10.0
    """How long one try may take."""
    attempts: Annotated[Whole, Field(ge=1, le=100)] = 10
    """How often it is tried, with growing pauses, before it is given up, kept, and shown by `tidegate notify list`."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        said = [name for name in TARGETS if name in self.model_fields_set]
        if len(said) != 1:
            raise ValueError(f"says {listed(said) if said else 'no way'} to tell it; say one of {listed(TARGETS)}")
        if self.smtp and not self.to:
            raise ValueError("says smtp and not whom `to`")
        for key, way in (("to", "smtp"), ("sender", "smtp"), ("token", "webhook")):
            if key in self.model_fields_set and said != [way]:
                raise ValueError(f"{key} has no meaning for {said[0]}; leave it out")
        return self

    @field_serializer("webhook", "smtp")
    def _masked(self, url: str) -> str:
        return _masked_url(url)

    @field_serializer("token")
    def _masked_token(self, token: str) -> str:
        return HIDDEN if token else ""

    @field_serializer("command")
    def _masked_command(self, words: tuple[str, ...]) -> list[str]:
        return [*words[:1], *([HIDDEN] if words[1:] else [])]

    @property
    def target(self) -> Target:
        """The way that it is told by."""
        found: Target
        for found in TARGETS:
            if found in self.model_fields_set:
                return found
        return "log"

    @property
    def active(self) -> bool:
        """Whether there is somewhere to tell it: an empty target switches the rule off."""
        return bool(getattr(self, self.target))


def shown_target(rule: NotificationRule) -> str:
    """Return where a rule tells, as it may be shown: hosts, recipients and programs, no paths, users or arguments."""
    match rule.target:
        case "webhook":
            return _masked_url(rule.webhook)
        case "smtp":
            return f"{', '.join(rule.to)} by {_masked_url(rule.smtp)}"
        case "command":
            return " ".join([*rule.command[:1], *([HIDDEN] if rule.command[1:] else [])])
        case "log":
            return "the leader's log"


def uniquely_named(rules: tuple[NotificationRule, ...]) -> tuple[NotificationRule, ...]:
    """Return the rules, each with its name; raise ValueError where two have the same."""
    named: dict[str, NotificationRule] = {}
    for at, rule in enumerate(rules, 1):
        name = rule.name or f"{rule.target}-{at}"
        if name in named:
            raise ValueError(f"two rules are named {name}")
        named[name] = rule.model_copy(update={"name": name})
    return tuple(named.values())


def _masked_url(url: str) -> str:
    """A webhook's secret is in its path, as often as not: only scheme and host are shown."""
    if not url:
        return ""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    port = f":{parts.port}" if parts.port else ""
    more = f"/{HIDDEN}" if parts.path.strip("/") or parts.query or parts.username else ""
    return f"{parts.scheme}://{host}{port}{more}"
