"""What command lines may contain, for `lean`: generated, a module for each group, and `top`."""
