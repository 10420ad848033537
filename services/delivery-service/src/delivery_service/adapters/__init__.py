"""Tables, and the HTTP client that webhooks go through."""
