"""SNS and SQS: publisher, consumer, outbox, dead letters, provisioning (docs/architecture.md#topology)."""
