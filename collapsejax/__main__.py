"""`python -m collapsejax`."""

from .cli import main

main()
