"""Shapes of what comes in over the wire; one module a contract. Imports only core."""
