"""A service's definition and command line, and what a process of it holds while it runs."""
