"""How a build is told of: what it does, as lines, as a picture or as JSON, and how it failed."""
