"""The error handling itself: taxonomy, registry, classification, retry, breaker, the one way out. Imports nothing else of app."""
