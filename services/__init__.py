"""The three services, the process that holds all of them, and the `quietline` command."""
