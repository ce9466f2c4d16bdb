"""What steps have made, by the content that they had to do with."""
