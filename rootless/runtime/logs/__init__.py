"""Where a container's output goes."""
