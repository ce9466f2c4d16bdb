"""Old names for supervisors of release 0.1, until the release after the next."""
