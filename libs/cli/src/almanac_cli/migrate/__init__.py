"""Moves an old system into Almanac: its users, what is scheduled, and what has been."""
