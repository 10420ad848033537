"""Use cases: what a transaction holds, and in which order things are done."""
