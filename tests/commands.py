"""The command line in a process of its own."""

import os
import subprocess
import sys

# It hears signals that whoever runs these tests may ignore, as nohup does.
_PROGRAM = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from collapsejax.cli.main import main_of_process
main_of_process()
"""
COMMAND = (sys.executable, "-c", _PROGRAM)


def started(arguments, cache, program=COMMAND):
    """A process that runs the command line with these arguments, and settings of JAX in its environment."""
    return subprocess.Popen(
        [*program, *arguments],
        env=os.environ | {name.upper(): str(value) for name, value in cache.items()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
