"""Pure functions from evidence to a code, and from a code and its history to a decision."""
