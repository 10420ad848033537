"""Benchmarks: each module measures one thing, and its last line is the number that matters."""
