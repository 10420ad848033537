"""What every HTTP API shares: the application, authentication, problems, pages, preconditions (design §8)."""
