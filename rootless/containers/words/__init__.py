"""Option texts -> what a container is to be. Nothing else reads what a user typed."""
