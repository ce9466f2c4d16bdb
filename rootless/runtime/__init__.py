"""One OCI runtime configuration -> one running process tree. Knows nothing of images or names."""
