"""What happened, counted: rollups, latency percentiles and the timeline of every event."""
