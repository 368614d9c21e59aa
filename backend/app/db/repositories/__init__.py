"""Queries, one module a noun."""
