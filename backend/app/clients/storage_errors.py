"""Where the storage library's exceptions end."""

from collections.abc import Iterator
from contextlib import contextmanager

from obstore import exceptions

from app.core.errors import PlatformError, StorageError
from app.core.spans import span

DISK_FULL_TEXTS = ("no space left", "disk quota", "os error 28", "os error 122")


@contextmanager
def storage_errors(operation: str, key: str) -> Iterator[None]:
    """Turns what the storage library raises into platform errors.

    Raises:
        PlatformError: NOT_FOUND, DISK_FULL.
        StorageError: anything else the library raised.
    """
    with span(f"storage {operation}", "client", vtp_storage_key=key), _translated(operation, key):
        yield


@contextmanager
def _translated(operation: str, key: str) -> Iterator[None]:
    try:
        yield
    except (exceptions.NotFoundError, FileNotFoundError) as error:
        if "NoSuchBucket" in str(error):  # a wrong setting, not a missing object
            raise StorageError(operation, "storage", key, error) from error
        raise PlatformError.from_code(
            "NOT_FOUND", {"resource_type": "object", "resource_id": key.rsplit("/", 1)[-1]}, cause=error
        ) from error
    except (exceptions.BaseError, OSError) as error:
        if any(text in str(error).lower() for text in DISK_FULL_TEXTS):
            raise PlatformError.from_code("DISK_FULL", cause=error) from error
        raise StorageError(operation, "storage", key, error) from error
