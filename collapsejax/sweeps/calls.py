"""Calls of a program, which is compiled for smaller ones where memory does not suffice."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from ..core.base import Array
from ..loop.memory import free_bytes_of_each
from ..results.sketch import Sketch, merge
from .program import CallShape, Job, Program

_SAFE_SHARE = 0.8  # of the memory that is free, for one call


class Calls:
    """A compiled program that does any number of jobs, in calls that are made smaller until memory suffices.

    Args:
        program: what is compiled.
        key: the root of all randomness.
        shape: of the first call that is tried.
        devices: that it runs on.
        say: told when calls are made smaller.
    """

    def __init__(
        self,
        program: Program,
        key: Array,
        shape: CallShape,
        devices: Sequence[jax.Device],
        say: Callable[[str], None] = lambda doing: None,
    ) -> None:
        self._program, self._key, self._devices, self._say = program, key, devices, say
        self.num_compilations, self.compile_seconds = 0, 0.0
        self._compile(shape)

    def __call__(self, jobs: Sequence[Job]) -> list[dict[str, Any]]:
        """For each (cell, first, stop) the metrics of these seeds by name: (seeds, G), or a sketch of each.

        Raises JaxRuntimeError where memory does not suffice for a single seed.
        """
        try:
            return self._done(jobs)
        except jax.errors.JaxRuntimeError as error:
            self._shrink(error, self._program.shape)
        return self(jobs)

    def _done(self, jobs: Sequence[Job]) -> list[dict[str, Any]]:
        shape, results = self._program.shape, []
        for start in range(0, len(jobs), shape.rows):
            some = jobs[start : start + shape.rows]
            longest = max(stop - first for _, first, stop in some)
            part = lambda done, some=some, shape=shape: [
                (cell, first + done, min(first + done + shape.seeds, stop)) for cell, first, stop in some
            ]
            parts = [self._program(part(done)) for done in range(0, longest, shape.seeds)]
            results += [joined(parts_of_job) for parts_of_job in zip(*parts, strict=True)]
        return results

    def _compile(self, shape: CallShape) -> None:
        start, failure = time.perf_counter(), None
        try:
            need = self._program.compile(self._key, shape)
        except jax.errors.JaxRuntimeError as error:
            failure = error
        self.num_compilations += 1
        self.compile_seconds += time.perf_counter() - start
        if failure:
            self._shrink(failure, shape)
            return
        free, smaller = _SAFE_SHARE * free_bytes_of_each(self._devices), shape.halved()
        if need > free and smaller:
            self._say(f"{shape} needs {need / 2**20:.0f} MiB, {free / 2**20:.0f} MiB are free: {smaller} instead")
            self._compile(smaller)

    def _shrink(self, error: jax.errors.JaxRuntimeError, shape: CallShape) -> None:
        smaller = shape.halved()
        if "RESOURCE_EXHAUSTED" not in str(error) or smaller is None:
            raise error
        self._say(f"out of memory with {shape}: {smaller} instead")
        self._compile(smaller)


def joined(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Metrics of consecutive seeds as those of all of them."""
    if len(parts) == 1:
        return parts[0]
    return {
        name: functools.reduce(merge, [part[name] for part in parts])
        if isinstance(values, Sketch)
        else np.concatenate([part[name] for part in parts])
        for name, values in parts[0].items()
    }
