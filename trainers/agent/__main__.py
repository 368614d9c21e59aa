"""Runs the agent: ``python -m trainers.agent``."""

from trainers.agent.service import main

main()
