"""What a child of a build does: one step, from its key to its layer."""
