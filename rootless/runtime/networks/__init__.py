"""Kinds of network: what each does inside the container, and outside, in its supervisor."""
