"""The last program of ours on the way into a container: a few instructions in a sealed file."""
