"""The files that COPY and ADD take: where they are, which are meant, and as a layer's tar."""
