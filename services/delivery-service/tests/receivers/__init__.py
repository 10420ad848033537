"""Receivers in all their ways, on both event loops."""
