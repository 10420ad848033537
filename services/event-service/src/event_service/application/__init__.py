"""Use cases: one function, one transaction; ports for the bus."""
