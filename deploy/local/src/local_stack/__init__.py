"""The one-machine stack of design §11: PostgreSQL, SNS/SQS, the four services, an inbox, and the test kit."""
