"""Runs inside the training process: progress, checkpoints, error.json, exit codes. Standard library only."""

from trainers.harness.failure import TrainingError
from trainers.harness.reporter import Reporter
from trainers.harness.run import Assignment, run

__all__ = ["Assignment", "Reporter", "TrainingError", "run"]
