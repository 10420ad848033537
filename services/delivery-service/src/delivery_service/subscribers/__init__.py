"""What speaks queue: one message in, one use case."""
