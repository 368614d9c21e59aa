"""What matching all signatures costs: our automaton beside Python's `re`, one by one and as one alternation.

`python benchmarks/bench_logs.py [MEGABYTES]`; prints times and ratios. Same signatures, same text, same machine.
"""

import re
import sys
import time
from collections.abc import Callable

from app.diagnosis.diagnose import diagnose
from app.diagnosis.evidence import Evidence
from app.diagnosis.scan import scan
from app.diagnosis.signatures import occurring, signatures

TAIL = 256 * 1024
SAMPLE = 256 * 1024
FAILURE = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 3 has a total capacity of 8 GiB"
LIMITS = {"a tail": 0.010, "100 MB": 0.3}


def log_of(size: int) -> bytes:
    """A training's log of `size` bytes, with noise that frightens, and a failure on its first line."""
    lines = [FAILURE]
    length = 0
    number = 0
    while length < size:
        at = f"2026-03-01 10:{number // 60 % 60:02}:{number % 60:02},101"
        line = f"{at} INFO train: epoch {number // 999} step {number} loss 0.{number % 997}"
        if number % 50 == 7:
            line = "UserWarning: Plan failed with a cudnnException: CUDNN_STATUS_NOT_SUPPORTED (Triggered internally)"
        if number % 200 == 9:
            line = "n1:81:99 [0] NCCL INFO NET/Socket : Using [0]eth0:10.12.4.31<0>, retrying with error handling on"
        lines.append(line)
        length += len(line) + 1
        number += 1
    return "\n".join(lines).encode()


def best_of(times: int, work: Callable[[], object]) -> float:
    """Seconds of the fastest of some runs."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


def main() -> None:
    """Measures and prints."""
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    sample, tail, whole = log_of(SAMPLE), f"{log_of(TAIL).decode()}\n{FAILURE}", log_of(megabytes * 1000 * 1000)
    patterns = [f"(?m:{signature.pattern})" for signature in signatures() if "(?s:" not in signature.pattern]
    single = [re.compile(pattern.encode()) for pattern in patterns]
    nameless = [re.sub(r"\(\?P<\w+>", "(?:", pattern) for pattern in patterns]
    together = re.compile("|".join(nameless).encode())
    occurring(sample)
    ours = best_of(30, lambda: occurring(sample))
    singly = best_of(1, lambda: [pattern.search(sample) for pattern in single])
    joined = best_of(1, lambda: sum(1 for _ in together.finditer(sample)))
    print(f"{len(patterns)} signatures over {SAMPLE // 1024} KB of log")
    for name, seconds in (("one automaton (ours)", ours), ("re, one by one", singly), ("re, one alternation", joined)):
        print(f"  {name:22} {seconds * 1000:10.1f} ms  {seconds / ours:8.1f} x  {SAMPLE / seconds / 1e6:8.1f} MB/s")
    evidence = Evidence.from_dict({"exit_code": 1, "log": tail})
    timed = {"a tail": best_of(30, lambda: diagnose(evidence)), f"{megabytes} MB": best_of(5, lambda: scan(whole))}
    for name, seconds in timed.items():
        limit = LIMITS.get(name)
        verdict = "" if limit is None else f", limit {limit * 1000:.0f} ms: {'kept' if seconds <= limit else 'MISSED'}"
        print(f"{name}: {seconds * 1000:.1f} ms{verdict}")


if __name__ == "__main__":
    main()
