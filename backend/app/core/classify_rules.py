"""The rules of `app.core.classify`, as data: what each number or code that an exception carries means.

A verdict is named once in `VERDICTS`; every table maps what a library says to such a name.
"""

import errno
import signal
import socket
from typing import Literal

Counts = Literal["failure", "success", "neutral"]

VERDICTS: dict[str, tuple[str, bool, Counts]] = {
    # name: (code, whether the same call may work later, what a breaker makes of it)
    "network": ("NETWORK_ERROR", True, "failure"),
    "unresolvable": ("NETWORK_ERROR", False, "failure"),
    "certificate": ("NETWORK_ERROR", False, "failure"),
    "timeout": ("OPERATION_TIMEOUT", True, "failure"),
    "timeout_final": ("OPERATION_TIMEOUT", False, "failure"),
    "own_pool": ("OPERATION_TIMEOUT", True, "neutral"),
    "busy": ("SERVICE_UNAVAILABLE", True, "failure"),
    "limited": ("SERVICE_UNAVAILABLE", True, "neutral"),
    "broken": ("SERVICE_UNAVAILABLE", False, "failure"),
    "garbled": ("SERVICE_UNAVAILABLE", True, "failure"),
    "quota": ("QUOTA_EXCEEDED", False, "neutral"),
    "refused": ("INVALID_CONFIG", False, "success"),
    "denied": ("INSUFFICIENT_PERMISSIONS", False, "success"),
    "missing": ("NOT_FOUND", False, "success"),
    "conflict": ("CONFLICT", False, "success"),
    "misused": ("SYSTEM_ERROR", False, "neutral"),
    "cancelled": ("TRAINING_CANCELLED", False, "neutral"),
    "database": ("DATABASE_ERROR", False, "failure"),
    "database_again": ("DATABASE_ERROR", True, "failure"),
    "database_contended": ("DATABASE_ERROR", True, "success"),
    "database_answered": ("DATABASE_ERROR", False, "success"),
    "storage": ("STORAGE_ERROR", False, "failure"),
    "storage_denied": ("STORAGE_ERROR", False, "success"),
    "storage_again": ("STORAGE_ERROR", True, "failure"),
    "storage_unset": ("STORAGE_ERROR", False, "neutral"),
    "workflow": ("TEMPORAL_ERROR", False, "success"),
    "workflow_again": ("TEMPORAL_ERROR", True, "failure"),
    "tracker": ("MLFLOW_UNAVAILABLE", False, "success"),
    "llm": ("LLM_UNAVAILABLE", False, "success"),
    "disk": ("DISK_FULL", False, "failure"),
    "file_denied": ("FILE_PERMISSION_DENIED", False, "neutral"),
    "file_missing": ("NOT_FOUND", False, "neutral"),
    "file_exists": ("CONFLICT", False, "neutral"),
    "host_memory": ("HOST_OOM", False, "neutral"),
    "gpu_memory": ("CUDA_OOM", False, "neutral"),
    "gpu": ("CUDA_ERROR", False, "neutral"),
    "no_gpu": ("CUDA_UNAVAILABLE", False, "neutral"),
    "ranks": ("DISTRIBUTED_COMM_ERROR", True, "neutral"),
    "crashed": ("TRAINER_CRASHED", False, "neutral"),
    "killed": ("TRAINER_KILLED", False, "neutral"),
    "child": ("TRAINING_CODE_ERROR", False, "neutral"),
    "library": ("DEPENDENCY_ERROR", False, "neutral"),
    "data": ("DATASET_BROKEN", False, "neutral"),
    "checkpoint": ("CHECKPOINT_INVALID", False, "neutral"),
    "unknown": ("SYSTEM_ERROR", False, "failure"),
}

# What a library of one service only ever tells of that service, and the verdict keeps all but its code. Its refusals of a
# language model are no answer to a user either, so there all codes are replaced.
OUTAGES = ("NETWORK_ERROR", "SERVICE_UNAVAILABLE", "OPERATION_TIMEOUT")
BY_SERVICE: dict[str, dict[str, str]] = {
    "mlflow": dict.fromkeys(OUTAGES, "MLFLOW_UNAVAILABLE"),
    **dict.fromkeys(
        ("anthropic", "openai"),
        dict.fromkeys((*OUTAGES, "QUOTA_EXCEEDED", "NOT_FOUND", "CONFLICT", "INVALID_CONFIG"), "LLM_UNAVAILABLE"),
    ),
}
# Codes of a driver's exception that say more than "the database failed".
TELLING = frozenset({"OPERATION_TIMEOUT", "DISK_FULL", "HOST_OOM", "TRAINING_CANCELLED"})

BY_ERRNO: dict[int, str] = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "disk"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "file_denied"),
    **dict.fromkeys((errno.ENOENT, errno.ENOTDIR, errno.EISDIR), "file_missing"),
    errno.EEXIST: "file_exists",
    errno.ENOMEM: "host_memory",
    errno.ETIMEDOUT: "timeout",
    errno.EIO: "storage",
    errno.ESTALE: "storage_again",
    **dict.fromkeys((errno.EAGAIN, errno.EINTR, errno.EBUSY), "limited"),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE, errno.EADDRINUSE), "misused"),
    **dict.fromkeys(
        (
            errno.ECONNREFUSED,
            errno.ECONNRESET,
            errno.ECONNABORTED,
            errno.EPIPE,
            errno.ENOTCONN,
            errno.ESHUTDOWN,
            errno.EHOSTUNREACH,
            errno.EHOSTDOWN,
            errno.ENETUNREACH,
            errno.ENETDOWN,
            errno.ENETRESET,
            errno.EADDRNOTAVAIL,
            errno.ENOBUFS,
        ),
        "network",
    ),
}
BY_GAI: dict[int, str] = {
    socket.EAI_AGAIN: "network",
    socket.EAI_FAIL: "network",
    socket.EAI_SYSTEM: "network",
    socket.EAI_MEMORY: "network",
    socket.EAI_NONAME: "unresolvable",
    socket.EAI_NODATA: "unresolvable",
}
BY_STATUS: dict[int, str] = {
    401: "denied",
    402: "quota",
    403: "denied",
    404: "missing",
    408: "timeout",
    409: "conflict",
    410: "missing",
    412: "conflict",
    425: "busy",
    429: "limited",
    500: "busy",
    501: "broken",
    502: "busy",
    503: "busy",
    504: "timeout",
    505: "broken",
    507: "broken",
    511: "broken",
    524: "timeout",
    529: "busy",
}
BY_GRPC: dict[str, str] = {
    "CANCELLED": "cancelled",
    "UNKNOWN": "broken",
    "INVALID_ARGUMENT": "refused",
    "DEADLINE_EXCEEDED": "timeout",
    "NOT_FOUND": "missing",
    "ALREADY_EXISTS": "conflict",
    "PERMISSION_DENIED": "denied",
    "RESOURCE_EXHAUSTED": "limited",
    "FAILED_PRECONDITION": "conflict",
    "ABORTED": "busy",
    "OUT_OF_RANGE": "refused",
    "UNIMPLEMENTED": "broken",
    "INTERNAL": "broken",
    "UNAVAILABLE": "network",
    "DATA_LOSS": "broken",
    "UNAUTHENTICATED": "denied",
}
# The longest prefix of an SQLSTATE that is listed decides.
BY_SQLSTATE: dict[str, str] = {
    "": "database",
    "08": "database_again",
    "08P01": "database",
    "0A": "database_answered",
    "21": "database_answered",
    "22": "database_answered",
    "23": "database_answered",
    "25": "database_answered",
    "25P03": "database_again",  # its own transaction idled too long
    "25006": "database_again",  # read-only: the primary has just moved elsewhere
    "28": "database",
    "3D": "database",
    "40": "database_contended",  # serialization failure, deadlock
    "40002": "database_answered",
    "42": "database_answered",
    "53": "database_again",
    "53100": "disk",
    "55006": "database_contended",
    "55P03": "database_contended",
    "57014": "timeout",
    "57P": "database_again",  # shut down, cannot connect now
    "57P04": "database",
    "58": "database",
}
# Primary result codes of SQLite.
BY_SQLITE: dict[int, str] = {
    5: "database_contended",
    6: "database_contended",
    7: "host_memory",
    8: "database",
    9: "cancelled",
    10: "database",
    11: "database",
    13: "disk",
    14: "database",
    17: "database_contended",
    19: "database_answered",
    1: "database_answered",
    20: "database_answered",
}
BY_BOTO: dict[str, str] = {
    **dict.fromkeys(
        (
            "SlowDown",
            "Throttling",
            "ThrottlingException",
            "ThrottledException",
            "RequestLimitExceeded",
            "TooManyRequestsException",
            "ProvisionedThroughputExceededException",
            "BandwidthLimitExceeded",
            "RequestThrottled",
            "RequestThrottledException",
            "ErrTooManyRequest",
        ),
        "limited",
    ),
    "InternalError": "busy",
    "ServiceUnavailable": "busy",
    "ServiceUnavailableException": "busy",
    "PriorRequestNotComplete": "busy",
    **dict.fromkeys(("RequestTimeout", "RequestTimeoutException"), "timeout"),
    **dict.fromkeys(
        (
            "AccessDenied",
            "AllAccessDisabled",
            "ExpiredToken",
            "InvalidAccessKeyId",
            "InvalidToken",
            "RequestTimeTooSkewed",
            "SignatureDoesNotMatch",
        ),
        "storage_denied",
    ),
    "NoSuchBucket": "storage_denied",
    **dict.fromkeys(("NoSuchKey", "NoSuchUpload", "NoSuchVersion", "NotFound"), "missing"),
    **dict.fromkeys(("OperationAborted", "ConditionalRequestConflict"), "busy"),
    **dict.fromkeys(("PreconditionFailed", "BucketAlreadyExists", "BucketAlreadyOwnedByYou"), "conflict"),
    "QuotaExceeded": "quota",
    "InsufficientCapacity": "busy",
}
# What a language model's service says beside the status; also in streams, where the status is 200.
BY_LLM_TYPE: dict[str, str] = {
    "overloaded_error": "busy",
    "api_error": "busy",
    "server_error": "busy",
    "timeout_error": "timeout",
    "rate_limit_error": "limited",
    "insufficient_quota": "quota",
    "billing_error": "quota",
    "billing_hard_limit_reached": "quota",
    "authentication_error": "llm",
    "permission_error": "llm",
    "invalid_request_error": "llm",
    "not_found_error": "llm",
    "request_too_large": "llm",
}
BY_SIGNAL: dict[int, str] = {
    **dict.fromkeys((signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE), "crashed"),
    **dict.fromkeys((signal.SIGKILL, signal.SIGTERM, signal.SIGXCPU), "killed"),
    **dict.fromkeys((signal.SIGINT, signal.SIGHUP), "cancelled"),
}
