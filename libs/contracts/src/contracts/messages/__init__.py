"""Domain messages, one module per publisher."""
