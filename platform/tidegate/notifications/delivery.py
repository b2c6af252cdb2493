"""One try to tell something through one channel, within its timeout whatever is at the other end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, assert_never

from tidegate.notifications.channels import Channel
from tidegate.notifications.command import run_command
from tidegate.notifications.mail import send_mail
from tidegate.notifications.undelivered import Undelivered
from tidegate.notifications.webhook import post
from tidegate.notifications.wording import plain

__all__ = ["Undelivered", "deliver"]

logger = logging.getLogger("tidegate.notifications")


async def deliver(channel: Channel, told: Mapping[str, Any]) -> None:
    """Tell it; raise Undelivered, with nothing secret in it, unless the other end has said that it has it."""
    rule = channel.rule
    try:
        async with asyncio.timeout(rule.timeout):
            match channel.way:
                case "webhook":
                    await post(rule.webhook, told, token=rule.token)
                case "smtp":
                    await send_mail(rule.smtp, told, to=rule.to, sender=rule.sender)
                case "command":
                    await run_command(rule.command, told, folder=channel.folder)
                case "log":
                    logger.warning("%s", plain(told))
                case way:
                    assert_never(way)
    except TimeoutError:
        raise Undelivered(f"no answer within {rule.timeout:g} s") from None
