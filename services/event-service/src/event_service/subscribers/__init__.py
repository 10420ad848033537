"""Messages in: one kind of message, one use case."""
