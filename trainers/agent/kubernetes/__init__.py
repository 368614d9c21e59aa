"""The agent's Kubernetes mode: each attempt is a Job, whose pod supervises its own training."""
