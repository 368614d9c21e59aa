"""Tokens of attempts: made from the job, the number and a secret, so that none is stored."""

import hashlib
import hmac


class AttemptTokens:
    """Makes and checks the token that an agent presents for one attempt: ``vtpa_<job>.<attempt>.<digest>``."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def token(self, job_id: str, attempt: int) -> str:
        """The token of one attempt; the same whenever it is asked for."""
        body = f"{job_id}.{attempt}"
        digest = hmac.new(self._secret, body.encode(), hashlib.sha256).hexdigest()
        return f"vtpa_{body}.{digest}"

    def job_of(self, token: str) -> str:
        """The job that a token says it is for; nothing is checked. Empty where it names none."""
        parts = token.removeprefix("vtpa_").rsplit(".", 2)
        return parts[0] if len(parts) == 3 else ""

    def check(self, token: str, job_id: str) -> int | None:
        """The number of the attempt of `job_id` that `token` was made for, None where it was not made here."""
        parts = token.removeprefix("vtpa_").rsplit(".", 2)
        if len(parts) != 3 or parts[0] != job_id or not parts[1].isdecimal():
            return None
        attempt = int(parts[1])
        return attempt if hmac.compare_digest(token.encode(), self.token(job_id, attempt).encode()) else None
