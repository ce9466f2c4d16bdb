"""Thin, typed wrappers of Linux system calls. No policy."""
