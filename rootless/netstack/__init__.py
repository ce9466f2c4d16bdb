"""A private network without privilege: a user-mode stack between a TAP device and host sockets."""
