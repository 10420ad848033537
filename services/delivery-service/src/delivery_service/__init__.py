"""Endpoints, and the delivery of due events to them: at the latest a moment after they are due, and never lost."""
