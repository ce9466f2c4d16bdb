"""Volumes: directories with names that outlive containers."""
