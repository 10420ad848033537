"""Schedules, events and the recipients they are for: works out every instant, claims what is due, publishes it."""
