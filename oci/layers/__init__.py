"""Layers: compressed tars, the trees that they unpack to, and the way back."""
