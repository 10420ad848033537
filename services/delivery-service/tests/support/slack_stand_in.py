"""A stand-in for Slack's incoming webhooks, under its own name and over TLS."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from delivery_scene import LOOPBACK, leads_to
from faulty_receivers import Authority

from delivery_service.adapters.posting import Poster
from delivery_service.adapters.secret_cipher import SecretCipher
from delivery_service.adapters.slack import SlackSender
from delivery_service.adapters.ssrf_guard import SsrfGuard
from local_stack import ports
from testkit import Receiver

NAME = "hooks.slack.com"
TOKEN = "x4mCkPz9very-secret"
PATH = f"/services/T0000000/B0000000/{TOKEN}"


@dataclass(frozen=True)
class Slack:
    """What it received and answers, the URL of its one webhook, and a sender that reaches it by its name."""

    receiver: Receiver
    url: str
    sender: SlackSender


@asynccontextmanager
async def slack_stand_in(folder: Path, cipher: SecretCipher) -> AsyncIterator[Slack]:
    """Listen; `folder` is for its certificate."""
    authority = Authority(folder)
    async with Receiver(tls=authority.server(NAME)) as receiver:
        guard = SsrfGuard(LOOPBACK, lookup=leads_to(ports.LOOPBACK))
        poster = Poster(connections=1, connect_seconds=5, guard=guard, tls=authority.trusted())
        yield Slack(receiver, f"https://{NAME}:{receiver.port}{PATH}", SlackSender(poster, cipher))
        await poster.aclose()
