"""Commands about the machine and the store as a whole."""
