"""The life of a container: who looks after it, what he holds, who is attached."""
