"""The container's file system: a plan of steps, and the steps."""
