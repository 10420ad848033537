"""What SNS and SQS cost: the emulator's ceiling, and the cheapest way for a client to call."""
