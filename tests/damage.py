"""Damage to files, and disks without room."""

import contextlib
import resource


def cut_short(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flip_a_byte(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0x10
    file.write_bytes(bytes(content))


@contextlib.contextmanager
def filling_disk():
    """A function that leaves files no room for more than 500 bytes, in the block."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield lambda *progress: resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
