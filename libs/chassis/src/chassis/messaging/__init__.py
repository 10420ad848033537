"""SNS and SQS: clients, the publisher, the consumer, provisioning (design §2, §6)."""
