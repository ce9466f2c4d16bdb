"""One build under way: the order of its stages, their instructions, and what becomes of them."""
