"""A simulated year of schedules with edits, moves and outages, checked against an independent computation."""
