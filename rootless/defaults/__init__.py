"""What a user has set for all his containers in podman's containers.conf."""
