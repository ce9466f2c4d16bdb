"""Networks with names: one process for each that is in use, and how containers come to it."""
