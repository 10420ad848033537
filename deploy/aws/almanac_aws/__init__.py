"""Almanac's account on AWS, as CloudFormation: one module a noun, put together in ``regions``."""
