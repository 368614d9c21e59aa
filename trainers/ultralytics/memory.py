"""Which errors mean that there was no memory left."""

from trainers.harness.room import host_room

LITTLE_BYTES = 512 * 1024**2
"""Room below which an unclear refusal of the CPU's kernels is put down to memory."""
UNCLEAR = ("could not create a primitive", "could not create a memory", "can't start new thread")


def memory_code(error: BaseException) -> str | None:
    """The code of an error that means exhausted memory, None for others."""
    text = str(error)
    if isinstance(error, MemoryError) or "DefaultCPUAllocator" in text or "Cannot allocate memory" in text:
        return "HOST_OOM"
    if type(error).__name__ == "OutOfMemoryError" or "CUDA out of memory" in text or "_STATUS_ALLOC_FAILED" in text:
        return "CUDA_OOM"
    if any(words in text for words in UNCLEAR) and host_room() < LITTLE_BYTES:
        return "HOST_OOM"
    return None
