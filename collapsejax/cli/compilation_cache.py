"""The folder in which the command line keeps compiled programs from one run to the next."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import platform
import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path

import platformdirs

_MOST_BYTES = 2**29  # some two thousand programs
_CPUINFO = Path("/proc/cpuinfo")  # of Linux
_PROBE_BYTES = 2**20  # more than a program takes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compiles:
    """Base class of commands that compile programs.

    Args:
        no_compilation_cache: compile every program anew, and keep none for later runs.
        quiet: show results and errors alone: no progress, no times, no names of files.
    """

    no_compilation_cache: bool = False
    quiet: bool = False

    def set_up_cache(self) -> None:
        set_up(off=self.no_compilation_cache)


def set_up(*, off: bool = False) -> None:
    """Have JAX keep what this process compiles in the user's folder, and take from there what earlier ones compiled.

    A folder that the user has chosen, by JAX_COMPILATION_CACHE_DIR or in `jax.config`, is used instead, as JAX uses it.
    Where nothing can be written a warning says so, and nothing is kept; and neither is with `off`.
    """
    import jax

    if off:
        jax.config.update("jax_enable_compilation_cache", False)
    if not jax.config.jax_enable_compilation_cache:
        return
    if (chosen := jax.config.jax_compilation_cache_dir) is not None:
        if "://" not in chosen:
            with contextlib.suppress(OSError):
                _keep_programs_in(Path(chosen))
        return
    try:
        folder = user_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # what is in there will be executed
        _shrink(folder.parent)
        # JAX would notice too, but it would warn of every program, and leave files behind that are cut short.
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(_PROBE_BYTES))
        _keep_programs_in(folder)
    except (OSError, RuntimeError) as error:
        fix = "set JAX_COMPILATION_CACHE_DIR to a folder that can be written, or give --no-compilation-cache"
        warnings.warn(f"compiled programs are not kept: {error}; {fix}", stacklevel=2)
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)


def user_folder() -> Path:
    """The folder for this user's programs of this jaxlib and processor, below the cache folder of the platform.

    Another processor may lack instructions that a program has, and JAX does not tell such programs apart.

    Raises:
        RuntimeError: nothing says where the user's files are.
    """
    from ..store.provenance import installed_version

    folder = platformdirs.user_cache_path("collapsejax", appauthor=False, opinion=False)
    return folder / f"jaxlib-{installed_version('jaxlib')}-{platform.machine()}-{_processor_digest()}"


def _keep_programs_in(folder: Path) -> None:
    """Have those kept there that are found without being traced; each kind of processor has its own."""
    from ..sweeps.kept_programs import keep_in

    own = folder / f"programs-{_processor_digest()}"
    own.mkdir(mode=0o700, parents=True, exist_ok=True)
    keep_in(own)


def _processor_digest() -> str:
    from ..store.files import digest

    return digest(_processor().encode())[:12]


def _processor() -> str:
    """The name and the instruction sets of the processor, as far as the platform tells."""
    with contextlib.suppress(OSError):
        first, *_ = _CPUINFO.read_text().split("\n\n")
        lines = [line for line in first.splitlines() if line.startswith(("model name", "flags", "Features", "isa"))]
        return "\n".join(lines)
    return platform.processor()


def mend(warning: str) -> None:
    """Empty the user's folder if JAX's `warning` is of a program in it.

    JAX never replaces a file that was cut short, by a full disk for example: every run would meet it, and warn again.
    """
    import jax

    with contextlib.suppress(RuntimeError):
        folder = user_folder()
        if "persistent compilation cache" in warning and jax.config.jax_compilation_cache_dir == str(folder):
            _delete(folder.glob("*-cache"))


def _shrink(folder: Path) -> None:
    """Delete the programs that have not been used for longest, if all together are too large.

    JAX's own limit needs a lock from another package; this one needs none, since a missing program is compiled again.
    """
    programs = []
    for path in folder.rglob("*-cache*"):
        with contextlib.suppress(FileNotFoundError):  # another process may do the same
            status = path.stat()
            programs.append((max(status.st_atime, status.st_mtime), status.st_size, path))
    programs.sort(reverse=True)
    sizes = itertools.accumulate(size for _, size, _ in programs)
    _delete(path for (_, _, path), size in zip(programs, sizes, strict=True) if size > _MOST_BYTES)


def _delete(paths: Iterable[Path]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()
