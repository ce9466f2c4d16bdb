"""An image made by hand: containers that scripts work in step by step, as buildah's."""
