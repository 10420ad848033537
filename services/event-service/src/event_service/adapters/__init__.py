"""SQL and SNS."""
