"""Endpoints, deliveries, attempts and the rules about them; standard library only."""
