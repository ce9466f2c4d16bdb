"""User namespaces: whose ids are mapped, the one that all containers share, work inside it."""
