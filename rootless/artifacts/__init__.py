"""Artifacts: files in registries, beside images. They have a layout of their own."""
