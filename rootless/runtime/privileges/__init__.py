"""What a container may not do: capabilities and seccomp."""
