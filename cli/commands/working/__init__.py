"""`build from`, `build run` and the other steps by which scripts make images."""
