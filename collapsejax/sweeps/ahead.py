"""What threads do ahead of the time when it is asked for."""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import jax

S, T = TypeVar("S"), TypeVar("T")

_MOST_AHEAD = 2  # who stops early has paid for few, and few are held at once


def ahead(things: Iterable[S], prepare: Callable[[S], Callable[[], T]]) -> Iterator[tuple[S, Callable[[], T | None]]]:
    """Each of `things` in order, with a function that waits for `prepare(thing)()`, which threads began two before.

    They prepare one thing at a time, such as to trace a program, which takes Python's lock; and do what that gave side
    by side, such as to compile it. The caller draws `things`, while it does nothing else.

    The function gives None where this failed, so that it can be done where its error belongs; and where it would have
    had another configuration of JAX than the caller, since a context such as `jax.enable_x64()` holds for one thread.
    Of these contexts the threads take over `jax.default_device()`.

    Close the iterator to begin nothing more. It waits for nothing; the end of the process does, for what is compiled at
    that moment: a thread that Python has left behind would crash it.
    """
    one_at_a_time, stopped = threading.Lock(), threading.Event()

    def early(thing: S, configuration: Any, device: Any) -> T | None:
        with jax.default_device(device):
            if _configuration() != configuration:
                return None
            with one_at_a_time:
                do = None if stopped.is_set() else prepare(thing)
            return None if stopped.is_set() else do()

    threads, begun = ThreadPoolExecutor(_MOST_AHEAD + 1), deque()
    try:
        for thing in things:
            here = (_configuration(), jax.config.jax_default_device)
            future = threads.submit(contextvars.copy_context().run, early, thing, *here)
            begun.append((thing, partial(_result, future)))
            if len(begun) > _MOST_AHEAD:
                yield begun.popleft()
        while begun:
            yield begun.popleft()
    finally:
        stopped.set()
        threads.shutdown(wait=False, cancel_futures=True)


def _result(future: Future[T]) -> T | None:
    return None if future.exception() else future.result()


def _configuration() -> Any:
    """What JAX's settings and context managers say in this thread."""
    return jax.config.values, jax.sharding.get_abstract_mesh()
