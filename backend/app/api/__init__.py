"""HTTP endpoints: parse, call one service, return."""
