"""Rules of scheduling, without I/O."""
