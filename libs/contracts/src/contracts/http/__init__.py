"""Replies of the four HTTP APIs, one module per subject: what services answer and clients read has one shape."""
