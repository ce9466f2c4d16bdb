"""A private registry: the OCI distribution protocol over the user's store or over a directory."""
