"""Registries: the distribution specification over HTTP, and what decides where a name leads."""
