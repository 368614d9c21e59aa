"""The error handling: taxonomy, registry, classification, retry, breaker, the way out. Imports nothing else of app."""
