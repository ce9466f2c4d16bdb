"""What docker and podman say and do differently, a module for each."""
