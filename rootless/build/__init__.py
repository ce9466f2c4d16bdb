"""Dockerfiles and contexts -> images: what `rootless build` does.

`builder.py` walks through the stages that `dockerfile/` has read, and has children (`crew.py`) do
what costs time: `steps/`, with files from `files/`, unless `cache/` has it.
"""
