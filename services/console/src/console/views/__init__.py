"""What pages show, worked out from what services answered: pure functions, without a browser."""
