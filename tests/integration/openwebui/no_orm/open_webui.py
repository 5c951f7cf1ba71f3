"""Stands in the way of Open WebUI's own package, for tests that do without its ORM."""

raise ImportError("no ORM here")
