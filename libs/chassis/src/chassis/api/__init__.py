"""What the HTTP APIs share: application, authentication, problems, pages (docs/architecture.md#http-apis)."""
