"""From the fork to the container's command: namespaces, root, user, privileges, execve(2)."""
