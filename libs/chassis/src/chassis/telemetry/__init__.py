"""Traces, metrics and logs (design §7)."""
