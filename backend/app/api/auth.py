"""Who may speak: users' tokens (header or cookie), the agents' secret, the token of one attempt."""

import hashlib
import hmac
from collections.abc import Mapping

from starlette.requests import HTTPConnection

from app.core.errors import PlatformError
from app.services.callers import OWNER, Caller, caller
from app.services.tokens import AttemptTokens

COOKIE = "vtp_session"


def bearer(connection: HTTPConnection) -> str | None:
    """The token of an ``Authorization: Bearer`` header, None where there is none."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token else None


def same(given: str | None, wanted: str) -> bool:
    """Whether two secrets are equal, in a time that tells nothing."""
    return given is not None and hmac.compare_digest(given.encode(), wanted.encode())


class Guard:
    """Checks credentials.

    The cookie holds a digest of the token, so that a copy of the browser's store does not give the token away, and a
    new token ends all sessions.
    """

    def __init__(self, user_token: str, agent_secret: str, named: Mapping[str, Caller] | None = None) -> None:
        """`user_token` is the owner's; `named` holds further people's tokens by the tokens themselves."""
        self._people = [(user_token, Caller(OWNER, "operator")), *(named or {}).items()]
        self._agent_secret = agent_secret
        self._sessions = [(_session(token), who) for token, who in self._people]
        self.tokens = AttemptTokens(agent_secret)

    def kind(self, connection: HTTPConnection) -> str:
        """Whose credential a connection presents: ``user``, ``agent``, ``attempt``; ``anonymous`` where none is ours.

        Whose it is exactly is known from here on as the caller of this request.
        """
        who = self.who(connection)
        caller.set(who)
        if who is not None:
            return "user"
        given = bearer(connection)
        if given is None:
            return "anonymous"
        if same(given, self._agent_secret):
            return "agent"
        return "anonymous" if self.tokens.check(given, self.tokens.job_of(given)) is None else "attempt"

    def _refusal(self, connection: HTTPConnection, role: str) -> PlatformError:
        """Why somebody may not pass: a stranger has no valid token, one of ours not the role."""
        if self.kind(connection) == "anonymous":
            return PlatformError.from_code("INVALID_TOKEN")
        return PlatformError.from_code("INSUFFICIENT_PERMISSIONS", {"action": "use this", "required_role": role})

    def login(self, token: str) -> str | None:
        """The cookie's value for a right token, None for a wrong one."""
        return _session(token) if _match(token, self._people) is not None else None

    def who(self, connection: HTTPConnection) -> Caller | None:
        """The person that a request or a WebSocket comes from."""
        given = bearer(connection)
        if given is not None:
            return _match(given, self._people)
        found = _match(connection.cookies.get(COOKIE), self._sessions)
        if found is not None:
            return found if _same_origin(connection) else None
        # A browser's WebSocket can send no header; programs may put the token into the address.
        return (
            _match(connection.query_params.get("token"), self._people) if connection.scope["type"] == "websocket" else None
        )

    def user(self, connection: HTTPConnection) -> Caller:
        """Lets people pass.

        Raises:
            PlatformError: INVALID_TOKEN, INSUFFICIENT_PERMISSIONS.
        """
        who = self.who(connection)
        if who is None:
            raise self._refusal(connection, "user")
        caller.set(who)
        return who

    def operator(self, connection: HTTPConnection) -> Caller:
        """Lets operators pass.

        Raises:
            PlatformError: INVALID_TOKEN, INSUFFICIENT_PERMISSIONS.
        """
        who = self.user(connection)
        if who.role != "operator":
            raise self._refusal(connection, "operator")
        return who

    def agent(self, connection: HTTPConnection) -> None:
        """Lets an agent pass.

        Raises:
            PlatformError: INVALID_TOKEN, INSUFFICIENT_PERMISSIONS.
        """
        if not same(bearer(connection), self._agent_secret):
            raise self._refusal(connection, "agent")

    def attempt(self, connection: HTTPConnection, job_id: str) -> int:
        """The attempt of `job_id` whose token was presented.

        Raises:
            PlatformError: INVALID_TOKEN, INSUFFICIENT_PERMISSIONS for an attempt of another job.
        """
        number = self.tokens.check(bearer(connection) or "", job_id)
        if number is None:
            raise self._refusal(connection, "attempt of this job")
        return number

    def attempt_or_user(self, connection: HTTPConnection) -> Caller | None:
        """Lets people pass, and any attempt (its agent fetches data sets, weights, checkpoints), which is None.

        Raises:
            PlatformError: INVALID_TOKEN, INSUFFICIENT_PERMISSIONS.
        """
        token = bearer(connection) or ""
        return self.user(connection) if self.tokens.check(token, self.tokens.job_of(token)) is None else None


def _session(token: str) -> str:
    """The cookie's value for a token."""
    return hmac.new(token.encode(), b"vtp session", hashlib.sha256).hexdigest()


def _match(given: str | None, known: list[tuple[str, Caller]]) -> Caller | None:
    """Whose secret was given. All are compared, so that the time tells nothing."""
    found = None
    for secret, who in known:
        if same(given, secret):
            found = who
    return found


def _same_origin(connection: HTTPConnection) -> bool:
    """Whether a request that the cookie vouches for comes from our own page; a foreign page's WebSocket carries it too."""
    origin = connection.headers.get("origin")
    return origin is None or origin.partition("://")[2] == connection.headers.get("host")
