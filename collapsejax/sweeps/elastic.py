"""Programs that are compiled for smaller calls where memory does not suffice."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from ..core.base import Array
from ..results.sketch import Sketch, merge
from .program import Program, Shape

_SAFE_SHARE = 0.8  # of the memory that is free, for one call


class Compiled(NamedTuple):
    """Of a program that was compiled: bytes that a device needs for a call, and seconds that it took."""

    need: int
    seconds: float


def lowered(program: Program, key: Array, shape: Shape) -> Callable[[], Compiled]:
    """Trace it for calls of that shape; what this gives compiles it. Raises as the program's `lower` does."""
    start = time.perf_counter()
    compile = program.lower(key, shape)
    tracing = time.perf_counter() - start

    def timed() -> Compiled:
        start = time.perf_counter()
        need = compile()
        return Compiled(need, tracing + time.perf_counter() - start)

    return timed


class Elastic:
    """A program that does any number of jobs, in calls that are made smaller until memory suffices.

    Args:
        program: what is compiled.
        key: the root of all randomness.
        shape: of the first call that is tried.
        say: told when a call is made smaller.
        done: what `lowered` has led to, if the program was compiled for such calls before. Whether memory suffices is
            asked only now: other programs may have had it then.
    """

    def __init__(
        self, program: Program, key: Array, shape: Shape, say: Callable[[str], None], done: Compiled | None = None
    ) -> None:
        self._program, self._key, self._say = program, key, say
        self.num_compilations = int(done is not None)
        self.compile_seconds = done.seconds if done else 0.0
        if done:
            self._fit(shape, done.need)
        else:
            self._compile(shape)

    def __call__(self, jobs: Sequence[tuple[int, int, int]]) -> list[dict[str, Any]]:
        """For each (cell, first, stop) the metrics of these seeds by name: (seeds, G), or a `Sketch` of each.

        Raises JaxRuntimeError where memory does not suffice for a single seed.
        """
        shape = self._program.shape
        try:
            results = []
            for start in range(0, len(jobs), shape.rows):
                some = jobs[start : start + shape.rows]
                longest = max(stop - first for _, first, stop in some)
                parts = [
                    self._program(
                        [(cell, first + done, min(first + done + shape.seeds, stop)) for cell, first, stop in some]
                    )
                    for done in range(0, longest, shape.seeds)
                ]
                results += [joined(parts_of_job) for parts_of_job in zip(*parts, strict=True)]
            return results
        except jax.errors.JaxRuntimeError as error:
            self._shrink(error)
        return self(jobs)

    def _compile(self, shape: Shape) -> None:
        start = time.perf_counter()
        need, failure = 0, None
        try:
            need = self._program.lower(self._key, shape)()
        except jax.errors.JaxRuntimeError as error:
            failure = error
        self.num_compilations += 1
        self.compile_seconds += time.perf_counter() - start
        if failure:
            self._shrink(failure, shape)
        else:
            self._fit(shape, need)

    def _fit(self, shape: Shape, need: int) -> None:
        """Compile for smaller calls if one of this shape needs more than is free."""
        free = _SAFE_SHARE * self._program.free_bytes()
        smaller = shape.halved()
        if need > free and smaller:
            self._say(f"{shape} needs {need / 2**20:.0f} MiB, {free / 2**20:.0f} MiB are free: {smaller} instead")
            self._compile(smaller)

    def _shrink(self, error: jax.errors.JaxRuntimeError, shape: Shape | None = None) -> None:
        smaller = (shape or self._program.shape).halved()
        if "RESOURCE_EXHAUSTED" not in str(error) or smaller is None:
            raise error
        self._say(f"out of memory with {shape or self._program.shape}: {smaller} instead")
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
