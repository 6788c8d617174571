"""What a sweep does between two generations of a long-running task: it tells, shows and keeps how far it has come."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from ..results.dataset import RUNNING
from ..store.manifest import Shard
from ..store.shards import Shards
from .cells import Settings
from .checkpoints import Checkpoints, clear_all
from .grid import Experiments
from .in_memory import Memory
from .program import CallShape, Job, Program, Saved, joined_generations, of_each_job


class LongRuns:
    """The long runs of `share` (i, N) of a sweep, whose results go to `results`: the store at `out`, if any."""

    def __init__(self, results: Shards | Memory, out: Path | None, share: tuple[int, int]) -> None:
        process, self._num_processes = share
        self._results, self._folder = results, out and out / RUNNING
        # Where JAX has connected several processes, Orbax has them wait for one another and writes arrays of one only.
        alone = jax.process_count() == 1
        self._checkpoints = Checkpoints(self._folder / str(process)) if out and alone else None

    def program(
        self, experiments: Experiments, settings: Settings, there: Mapping[Shard, int], say: Callable[..., None]
    ) -> Program:
        """The program of some experiments, given for each shard how many of its seeds are there.

        `say` is told its progress: what is done, and of a generation the jobs, what share of each is done, and whether
        that was done before.

        After each generation the metrics so far are in the store, and a checkpoint, unless JAX has connected several
        processes, as `--distributed` does.
        """
        watch = _Watch(experiments, there, self._results, self._checkpoints, say)
        return Program(experiments.cells, settings, by_generation=True, watch=watch)

    def forget_checkpoints(self) -> None:
        """Remove them, since all that they are for is complete."""
        if self._folder and self._folder.exists():
            if self._checkpoints:
                self._checkpoints.clear()
            if self._num_processes == 1:  # those of processes that were here before
                clear_all(self._folder)
            with contextlib.suppress(OSError):
                self._folder.rmdir()


class _Watch(NamedTuple):
    """See `LongRuns.program`."""

    experiments: Experiments
    there: Mapping[Shard, int]
    results: Shards | Memory
    checkpoints: Checkpoints | None
    say: Callable[..., None]

    def resumed(self, jobs: Sequence[Job], shape: CallShape, like: Saved) -> Saved | None:
        saved = self.checkpoints and self.checkpoints.restore(self._call(jobs, shape), like)
        if saved:
            self._tell(f"resuming at generation {len(saved.results)}", jobs, saved, resumed=True)
        return saved

    def generation_done(self, jobs: Sequence[Job], shape: CallShape, saved: Saved) -> None:
        so_far = of_each_job(joined_generations(saved.results), jobs)
        metrics_of = {(cell, first): metrics for (cell, first, _), metrics in zip(jobs, so_far, strict=True)}
        for shard, there in self.there.items():
            metrics = metrics_of.get((self.experiments.place.get(shard.cell), shard.first))
            # Of other shards some seeds are there, and a record says so.
            if metrics is not None and not there:
                self.results.preview(shard, metrics, len(saved.results))
        if self.checkpoints:
            self.checkpoints.save(self._call(jobs, shape), saved)
        self._tell(f"generation {len(saved.results)}/{self.results.manifest.num_generations}", jobs, saved)

    def _tell(self, doing: str, jobs: Sequence[Job], saved: Saved, *, resumed: bool = False) -> None:
        self.say(doing, jobs, len(saved.results) / self.results.manifest.num_generations, resumed)

    def _call(self, jobs: Sequence[Job], shape: CallShape) -> Any:
        """All that tells a call from others."""
        seeds = [(self.experiments.cells[cell].index, first, stop) for cell, first, stop in jobs]
        return [self.results.manifest.fingerprint, seeds, shape]
