"""Peers: other PostgreSQL job queues for Python that make the same POSTs to the same sink, in the same run."""
