"""Unpacked layers as one tree: what has changed in it, its archive, a look at it."""
