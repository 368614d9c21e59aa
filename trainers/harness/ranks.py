"""Failures of the other processes of a training that runs in several: one ``error.rank<N>.json`` each."""

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from trainers.harness.failure import FailureRecord, exit_code


class NoReporter:
    """Where a process stands that writes no journal: unknown."""

    batch: list[str] | None = None

    def where(self) -> dict[str, Any]:
        """Nothing is known but that it ran."""
        return {"phase": None, "epoch": None, "step": None}


def record_rank_failures(config: dict[str, Any] | None = None, dataset: Path | None = None) -> bool:
    """To be called at the start of each process that a training starts by itself (torchrun, spawn): what ends it with an
    exception is kept beside the attempt's ``error.json``. False where no rank or no attempt is told by the environment."""
    folder, rank = os.environ.get("VTP_ATTEMPT_DIR"), os.environ.get("RANK")
    if not folder or rank is None:
        return False
    record = FailureRecord(Path(folder), name=f"error.rank{int(rank)}.json")
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            code = record.write(error, NoReporter(), dataset, config or {})
            before(kind, error, trace)
            sys.stderr.flush()
            os._exit(exit_code(code))
        before(kind, error, trace)

    sys.excepthook = hook
    return True
