"""`python -m collapsejax`."""

from .cli.main import main_of_process

main_of_process()
