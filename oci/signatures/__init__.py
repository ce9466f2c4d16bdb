"""Signatures, and the policy that says whose are wanted."""
