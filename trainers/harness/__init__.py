"""Runs inside the training process: progress, checkpoints, error.json, exit codes. Standard library only."""
