"""What `quietline doctor` finds of a running suite, and of a folder in which one is kept."""
