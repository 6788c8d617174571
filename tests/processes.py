"""Processes that start fast: each is forked from one that has imported what they need."""

import multiprocessing
import os
import sys

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["collapsejax.sweeps.run", "collapsejax.sweeps.exact_curves", "collapsejax.cli.run"])


class Forked:
    """A process that calls a function, with as much of `subprocess.Popen` as tests need.

    What is registered to be done at exit is not done.

    Args:
        call: a function of a module.
        arguments: that it is given.
        cache: settings of JAX, by name.
    """

    def __init__(self, call, *arguments, cache):
        pipes = [_FORKS.Pipe(duplex=False) for _ in range(2)]
        writers = [writer for _, writer in pipes]
        self._process = _FORKS.Process(target=_carry_out, args=(writers, cache, call, arguments))
        self._process.start()
        for writer in writers:
            writer.close()
        self.stdout, self.stderr = (os.fdopen(os.dup(reader.fileno())) for reader, _ in pipes)
        for reader, _ in pipes:
            reader.close()
        self.kill = self._process.kill

    @property
    def returncode(self):
        return self._process.exitcode

    def poll(self):
        return self._process.exitcode

    def send_signal(self, number):
        os.kill(self._process.pid, number)

    def communicate(self, timeout=None):
        said = self.stdout.read(), self.stderr.read()
        self._process.join(timeout)
        assert self._process.exitcode is not None
        return said


def _carry_out(writers, cache, call, arguments):
    import jax

    for number, writer in enumerate(writers, start=1):
        os.dup2(writer.fileno(), number)
        writer.close()
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1) for number in (1, 2))
    os.environ.update({name.upper(): str(value) for name, value in cache.items()})
    for name, value in cache.items():
        jax.config.update(name, value)
    call(*arguments)
