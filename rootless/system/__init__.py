"""The store as a whole and its place on this machine: sizes, checks, reset, boot."""
