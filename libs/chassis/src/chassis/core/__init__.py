"""Needs no database, no bus and no web framework: life of a process, errors, settings, zones, batches."""
