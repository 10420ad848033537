"""The whole pipeline: N events due at one instant, from the claim to analytics' last count."""
