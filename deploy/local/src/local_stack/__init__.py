"""The one-machine stack: PostgreSQL, SNS/SQS, the four services, an inbox, and the test kit."""
