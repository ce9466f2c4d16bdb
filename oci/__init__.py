"""OCI image layouts, manifests, layers, references and registries. Knows nothing of containers."""
