"""Runs inside the training process: progress, checkpoints, error.json, exit codes. Standard library only."""

from trainers.harness.failure import TrainingError
from trainers.harness.ranks import record_rank_failures
from trainers.harness.reporter import Reporter
from trainers.harness.run import Assignment, run
from trainers.harness.stopping import Stopped

__all__ = ["Assignment", "Reporter", "Stopped", "TrainingError", "record_rank_failures", "run"]
