"""The command that reproduces published studies."""

from __future__ import annotations

import dataclasses
import warnings
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import tyro

from ..core.arguments import check_seed
from ..studies.catalogue import LONG, find
from ..studies.reproduce import Simulated, simulate, write_index, write_up
from . import output
from .compilation_cache import Compiles
from .devices import chosen_devices
from .flags import optional


@dataclasses.dataclass(frozen=True)
class Reproduce(Compiles):
    """Reproduce the studies of "Collapse or Thrive?" (arXiv 2410.16713): stores, figures, and an index of findings.

    Args:
        studies: gaussian, kde, regression, discrete, real-share: these if none is named; kde-bandwidth, kde-estimated,
            transformer, value: these take long, and say how long first.
        quick: coarse grids and few seeds, in a folder of their own: all that do not take long within two minutes.
        published: with the errors of the published protocol, in a folder of their own.
        out: folder for everything. What is complete there is computed no more, and figures are redrawn.
        seed: root of all randomness.
    """

    studies: tyro.conf.Positional[list[str]] = dataclasses.field(default_factory=list)
    quick: bool = False
    published: bool = False
    out: optional(str, "DIR") = None
    seed: int = 0

    def run(self) -> None:
        studies = find(self.studies, quick=self.quick, published=self.published)
        check_seed(self.seed)
        out = Path(self.out or "reproduction")
        suffix = "-published" * self.published + "-quick" * self.quick + f"-seed={self.seed}" * (self.seed > 0)
        folders = {name: out / f"{name}{suffix}" for name in studies}
        for folder in folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        self.set_up_cache()
        devices = chosen_devices()

        def finish(name: str, simulated: Simulated) -> str:
            seconds = write_up(name, studies[name], folders[name], simulated)
            write_index(out)
            return f"{name}: {output.duration(seconds)}; wrote {folders[name]}"

        # A thread draws the figures of a quick study while the next is computed; only one, since Matplotlib is for one.
        finishing: list[Future[str]] = []
        with ThreadPoolExecutor(1) as threads, warnings.catch_warnings():
            # Sweeps leave this out themselves, but what one thread leaves out another brings back.
            warnings.filterwarnings("ignore", message="Consolidated metadata")
            try:
                for name, study in studies.items():
                    if name in LONG or not self.quick:  # which have use for all cores, and nobody waits for hours
                        _tell(finishing)
                    if name in LONG:
                        print(f"{name}: takes about {output.duration(study.seconds)} on two cores", flush=True)
                    with output.progress() as progress:
                        simulated = simulate(name, study, folders[name], seed=self.seed, devices=devices, say=progress)
                    _tell(finishing)
                    finishing.append(threads.submit(finish, name, simulated))
            finally:
                _tell(finishing)
        print(f"wrote {out / 'index.md'}")


def _tell(finishing: list[Future[str]]) -> None:
    """Wait for what has begun, and print what it returns or raise what it raised, once."""
    while finishing:
        print(finishing.pop().result(), flush=True)
