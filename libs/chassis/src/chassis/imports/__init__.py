"""Imports of a body of any length, one thing a line: read in constant memory, stored in chunks, resumed at will."""
