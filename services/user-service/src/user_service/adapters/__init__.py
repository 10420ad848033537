"""What knows SQL."""
