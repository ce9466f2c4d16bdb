"""Manifest lists: reading them, their members, changing them."""
