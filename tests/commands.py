"""The command line in a process of its own, which hears signals that whoever runs these tests may ignore."""

import os
import signal
import subprocess
import sys
from pathlib import Path

COMMAND = (sys.executable, "-c", "import sys, commands; commands.process_of(sys.argv[1:])")


def process_of(arguments):
    """Be the process of the command line with these arguments."""
    from collapsejax.cli.main import main_of_process

    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    sys.argv[1:] = arguments
    main_of_process()


def started(arguments, cache, program=COMMAND):
    """Such a process, which begins with nothing imported and ends as others do."""
    return subprocess.Popen(
        [*program, *arguments],
        env=os.environ
        | {name.upper(): str(value) for name, value in cache.items()}
        | {"PYTHONPATH": str(Path(__file__).parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
