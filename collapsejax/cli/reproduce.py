"""The command that reproduces published studies."""

from __future__ import annotations

import dataclasses
import warnings
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import tyro

from ..core.arguments import check_seed
from ..store.files import check_name, make_folder
from ..studies.catalogue import STUDIES, find
from ..studies.index import check_folders, write_index
from ..studies.reproduce import Simulated, simulate, write_up
from ..studies.study import Study
from . import output
from .compilation_cache import Compiles
from .devices import chosen_devices
from .flags import optional


def _names(*, long: bool) -> str:
    return ", ".join(study.name for study in STUDIES if study.takes_long == long)


_Names = Annotated[
    tyro.conf.Positional[list[str]],
    tyro.conf.arg(
        help=f"{_names(long=False)}: these if none is named; {_names(long=True)}: these take long, and say how long "
        "first."
    ),
]


@dataclasses.dataclass(frozen=True)
class Reproduce(Compiles):
    """Reproduce published studies, as those of "Collapse or Thrive?" (arXiv 2410.16713).

    Writes stores, figures, and an index that says of each what was found, and whether that verifies what the paper did.

    Args:
        quick: coarse grids and few seeds, in a folder of their own: all that do not take long within two minutes.
        published: with the errors of the published protocol, in a folder of their own.
        out: folder for everything. What is complete there is computed no more, and figures are redrawn.
        seed: root of all randomness.
    """

    studies: _Names = dataclasses.field(default_factory=list)
    quick: bool = False
    published: bool = False
    out: optional(str, "DIR") = None
    seed: int = 0

    def run(self) -> None:
        studies = find(self.studies, quick=self.quick, published=self.published)
        check_seed(self.seed)
        out = Path("reproduction" if self.out is None else check_name(self.out))
        suffix = "-published" * self.published + "-quick" * self.quick + f"-seed={self.seed}" * (self.seed > 0)
        if out.exists() and not out.is_dir():
            raise ValueError(f"out={out}: is a file; give a folder, or another name")
        folders = {study.name: out / f"{study.name}{suffix}" for study in studies}
        for folder in folders.values():
            make_folder(folder)
        check_folders(out, folders.values())
        self.set_up_cache()
        devices = chosen_devices()

        def finish(study: Study, simulated: Simulated) -> str:
            folder = folders[study.name]
            seconds = write_up(study, folder, simulated)
            write_index(out)
            return f"{study.name}: {output.duration(seconds)}; wrote {folder}"

        # A thread draws the figures of a quick study while the next is computed; only one, since Matplotlib is for one.
        finishing: list[Future[str]] = []
        with ThreadPoolExecutor(1) as threads, warnings.catch_warnings():
            # Sweeps leave this out themselves, but what one thread leaves out another brings back.
            warnings.filterwarnings("ignore", message="Consolidated metadata")
            try:
                for study in studies:
                    if study.takes_long or not self.quick:  # has use for all cores, and nobody waits for hours
                        _tell(finishing)
                    if study.takes_long:
                        print(f"{study.name}: takes about {output.duration(study.seconds)} on two cores", flush=True)
                    folder = folders[study.name]
                    with output.progress() as progress:
                        simulated = simulate(study, folder, seed=self.seed, devices=devices, say=progress)
                    _tell(finishing)
                    finishing.append(threads.submit(finish, study, simulated))
            finally:
                _tell(finishing)
        print(f"wrote {out / 'index.md'} and {out / 'index.html'}")


def _tell(finishing: list[Future[str]]) -> None:
    """Wait for what has begun, and print what it returns or raise what it raised, once."""
    while finishing:
        print(finishing.pop().result(), flush=True)
