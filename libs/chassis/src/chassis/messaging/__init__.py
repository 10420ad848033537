"""SNS and SQS: clients, the publisher, the consumer, provisioning (docs/architecture.md#topology)."""
