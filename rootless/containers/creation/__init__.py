"""A request and an image -> the record of a container, or what is wrong with the request."""
