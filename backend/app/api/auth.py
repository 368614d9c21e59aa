"""Who may speak: the user's token (header or cookie), the agents' secret, the token of one attempt."""

import hashlib
import hmac

from starlette.requests import HTTPConnection

from app.core.errors import PlatformError
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

    def __init__(self, user_token: str, agent_secret: str) -> None:
        self._user_token = user_token
        self._agent_secret = agent_secret
        self._session = hmac.new(user_token.encode(), b"vtp session", hashlib.sha256).hexdigest()
        self.tokens = AttemptTokens(agent_secret)

    def kind(self, connection: HTTPConnection) -> str:
        """Whose credential a connection presents: ``user``, ``agent``, ``attempt``; ``anonymous`` where none is ours."""
        given = bearer(connection)
        if given is None:
            return "user" if self.is_user(connection) else "anonymous"
        if same(given, self._user_token):
            return "user"
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
        return self._session if same(token, self._user_token) else None

    def is_user(self, connection: HTTPConnection) -> bool:
        """Whether a request or a WebSocket comes from the user."""
        given = bearer(connection)
        if given is not None:
            return same(given, self._user_token)
        if same(connection.cookies.get(COOKIE), self._session):
            return _same_origin(connection)
        # A browser's WebSocket can send no header; programs may put the token into the address.
        return connection.scope["type"] == "websocket" and same(connection.query_params.get("token"), self._user_token)

    def user(self, connection: HTTPConnection) -> None:
        """Lets the user pass.

        Raises:
            PlatformError: INVALID_TOKEN, INSUFFICIENT_PERMISSIONS.
        """
        if not self.is_user(connection):
            raise self._refusal(connection, "user")

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

    def attempt_or_user(self, connection: HTTPConnection) -> None:
        """Lets the user pass, and any attempt (its agent fetches data sets, weights, checkpoints).

        Raises:
            PlatformError: INVALID_TOKEN, INSUFFICIENT_PERMISSIONS.
        """
        token = bearer(connection) or ""
        if self.tokens.check(token, self.tokens.job_of(token)) is None:
            self.user(connection)


def _same_origin(connection: HTTPConnection) -> bool:
    """Whether a request that the cookie vouches for comes from our own page; a foreign page's WebSocket carries it too."""
    origin = connection.headers.get("origin")
    return origin is None or origin.partition("://")[2] == connection.headers.get("host")
