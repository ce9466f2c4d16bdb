"""What a build says of its image: the packages in it (SPDX), and how it was made (SLSA)."""
