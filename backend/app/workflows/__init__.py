"""What happens next to a job (pure) and who drives it."""
