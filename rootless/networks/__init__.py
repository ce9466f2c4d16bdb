"""The networks with names of a store: their records, and who is on them."""
