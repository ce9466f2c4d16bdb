"""What is answered without a command: help, and what is wrong with a line."""
