"""Images on their way: from and to registries, archives and directories."""
