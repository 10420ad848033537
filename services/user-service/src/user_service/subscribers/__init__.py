"""What speaks to a queue: one message in, one use case."""
