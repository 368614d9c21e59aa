"""The reference page of the policies, made from their table."""

from app.core import budget
from app.core.policies import as_markdown

TEXT = """# Policies: how each integration is protected

Made by `make generate`; what it tells comes from the code itself.

One table (`backend/app/core/policies.py`) is the source of the retry decorators, the circuit breakers, tenacity's
arguments and Temporal's retry policies.

{table}
- **Attempts** count all tries, the first too. Only a failure that may pass by itself is tried again
  (`app.core.classify` decides).
- **Waits** before retry number *n* are drawn at random between the first wait and *first wait × 2ⁿ*, at most the
  longest wait. A `Retry-After` of the other side lengthens the wait by at most one longest wait; a deadline shortens
  or ends it.
- **Retry budget**, for all rows: retries up to {share:.0%} of a dependency's recent calls, and {burst} more in
  {seconds:g} seconds.
- **Circuit breaker**: that many failures in a row open it for that many seconds; then one probe at a time may pass.
  Backends on one PostgreSQL share every breaker but that of the database itself, which could not tell that it is away: what
  one finds failing, all leave alone, and one of them probes.
"""


def policies() -> str:
    """The page."""
    return TEXT.format(table=as_markdown(), share=budget.SHARE, burst=budget.BURST, seconds=budget.SECONDS)
