"""End to end: the whole system, started as a user starts it. A package, so that its stack ends with its tests."""
