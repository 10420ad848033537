"""Delivery-service's worker alone: no bus, rows that are due in, webhooks out, all recorded."""
