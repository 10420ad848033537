"""The consumers of queues: one message in, one use case."""
