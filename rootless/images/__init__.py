"""The user's images: names, unpacked layers, and moving images in and out."""
