"""Training side: the harness in the training process, the agent that supervises it, one folder a framework."""
