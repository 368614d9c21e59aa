"""How a WebSocket is closed with an error: the code and the reason of its close frame (RFC 6455, section 7.4)."""

from app.core.base import PlatformError

REASON_BYTES = 123
"""What a close frame may carry."""
POLICY_VIOLATION, INTERNAL_ERROR, TRY_AGAIN_LATER = 1008, 1011, 1013


def close_code(error: PlatformError) -> int:
    """1008 for what the caller has to mend, 1013 for what may pass, 1011 for anything else."""
    if error.http_status < 500:
        return POLICY_VIOLATION
    return TRY_AGAIN_LATER if error.retryable else INTERNAL_ERROR


def close_reason(text: str) -> str:
    """`text` cut to what a close frame may carry, at a whole character."""
    return text.encode()[:REASON_BYTES].decode(errors="ignore")
