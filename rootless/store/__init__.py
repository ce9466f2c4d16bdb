"""What lies on disk: paths, records, locks, crash recovery."""
