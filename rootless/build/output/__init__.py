"""Where what was built goes besides the store: files, archives, registries."""
