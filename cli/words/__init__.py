"""What completion says, generated: modules as in `grammar`."""
