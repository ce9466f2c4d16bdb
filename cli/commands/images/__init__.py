"""Commands about images, registries and artifacts."""
