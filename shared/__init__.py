"""What two rooms or more must agree on exactly. shared/README.md says who uses each module."""
