"""Containers: from what the user asked for to a record, a running tree, and its end."""
