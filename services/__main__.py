"""`python -m services` is the `quietline` command."""

from services.cli import main

main()
