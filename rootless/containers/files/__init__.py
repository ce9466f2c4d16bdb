"""A container's files: diff, export, cp and commit."""
