"""`python -m collapsejax`."""

from .cli import main_of_process

main_of_process()
