"""Live events of a job, resumable by sequence number."""
