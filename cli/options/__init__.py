"""Every option, declared once, for Typer."""
