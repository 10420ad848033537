"""Who is logged in. Sessions live in this process: a restart asks everyone for their key again."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import token_bytes, token_urlsafe

from itsdangerous import BadSignature, Signer

from chassis.api.auth import Principal

COOKIE = "almanac_session"
MAX_SESSIONS = 1_000
"""Beyond that the oldest ends: logins cannot fill the memory."""


@dataclass(eq=False)
class Session:
    """One login. The key never leaves the process except to the services that it is a key of."""

    principal: Principal
    key: str = field(repr=False)
    ends_at: float
    ended: bool = False

    @property
    def name(self) -> str:
        """Of the key: what the services' logs call who acts."""
        return self.principal.name

    @property
    def may_act(self) -> bool:
        """Whether it may change anything."""
        return self.principal.may("write")

    @property
    def may_administer(self) -> bool:
        """Whether it may do what only administrators may."""
        return self.principal.may("admin")


class Sessions:
    """Opens, finds and ends sessions. What a browser holds is a random name for one, signed."""

    def __init__(self, *, hours: float, now: Callable[[], float] = time.time) -> None:
        self._seconds = hours * 3600
        self._now = now
        # As long-lived as what it signs: names of sessions in this process's memory.
        self._signer = Signer(token_bytes(32), salt="almanac.console.session")
        self._open: OrderedDict[str, Session] = OrderedDict()

    @property
    def seconds(self) -> float:
        """How long a session lasts."""
        return self._seconds

    def open(self, principal: Principal, key: str) -> str:
        """A new session. Returns the cookie's value."""
        name = token_urlsafe(32)
        self._open[name] = Session(principal, key, self._now() + self._seconds)
        while len(self._open) > MAX_SESSIONS:
            _, oldest = self._open.popitem(last=False)
            oldest.ended = True
        return self._signer.sign(name).decode()

    def find(self, cookie: str | None) -> Session | None:
        """The session of a cookie; None where it is forged, unknown, or over."""
        name = self._name(cookie)
        session = self._open.get(name) if name else None
        if session is None or not self.alive(session):
            return None
        return session

    def alive(self, session: Session) -> bool:
        """Whether it has neither ended nor run out."""
        if not session.ended and session.ends_at <= self._now():
            session.ended = True
        return not session.ended

    def end(self, cookie: str | None) -> Session | None:
        """End the session of a cookie, also in tabs that are open. Returns it, None where there is none."""
        name = self._name(cookie)
        session = self._open.pop(name, None) if name else None
        if session is not None:
            session.ended = True
        return session

    def _name(self, cookie: str | None) -> str | None:
        if not cookie:
            return None
        try:
            return self._signer.unsign(cookie).decode()
        except BadSignature:
            return None


class FailureLimit:
    """How many wrong keys one address may try, and all addresses together, within a minute."""

    WINDOW_SECONDS = 60.0

    def __init__(self, *, per_address: int = 10, in_all: int = 100, now: Callable[[], float] = time.monotonic) -> None:
        self._per_address = per_address
        self._in_all = in_all
        self._now = now
        self._failures: deque[tuple[float, str]] = deque()

    def wait_seconds(self, address: str) -> float:
        """How long ``address`` must wait before it may try again; 0 where it need not."""
        self._forget()
        own = [at for at, who in self._failures if who == address]
        waits = [0.0]
        if len(own) >= self._per_address:
            waits.append(own[-self._per_address] + self.WINDOW_SECONDS - self._now())
        if len(self._failures) >= self._in_all:
            waits.append(self._failures[-self._in_all][0] + self.WINDOW_SECONDS - self._now())
        return max(waits)

    def failed(self, address: str) -> None:
        """Count a failure of ``address``."""
        self._forget()
        self._failures.append((self._now(), address))

    def _forget(self) -> None:
        oldest = self._now() - self.WINDOW_SECONDS
        while self._failures and self._failures[0][0] <= oldest:
            self._failures.popleft()
