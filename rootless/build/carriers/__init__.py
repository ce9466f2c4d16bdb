"""The cache of builds carried elsewhere: in directories, in registries, within images."""
