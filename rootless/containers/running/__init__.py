"""What is done with a container that runs, or has run."""
