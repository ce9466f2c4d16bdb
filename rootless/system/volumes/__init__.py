"""Volumes together with the containers that have them: removal, archives, copies."""
