"""The commands for sweeps: to carry one out, alone or as one of several processes, and to look at one."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

import jax
import tyro

from ..sweeps.plan import make_plan
from ..sweeps.run import Progress, Report, carry_out, rehearse
from . import compilation_cache, output, spec
from .devices import chosen_devices, split_cpu
from .flags import SETTINGS, SequenceFlags, SweepTaskFlags, optional


@dataclasses.dataclass(frozen=True)
class Sweep:
    """Sweep a grid of experiments over many seeds, into a store that the same command carries on.

    Args:
        spec: TOML file with the fields below. A flag replaces what the file says.
        out: directory of the store. Where this sweep is there already, only what is missing is computed.
        dry_run: compile and time a little of everything, and say what the sweep would take.
        devices: how many devices share the seeds; a CPU is split into so many. Default: all, and one for each
            core of a CPU.
        distributed: one of several processes, as Slurm, Open MPI, Kubernetes or a TPU start them; each computes its
            part and writes it to the same store.
        coordinator: where process 0 can be reached by the others, as host:port, if nothing tells it.
        num_processes: with a coordinator, how many processes there are.
        process_id: with a coordinator, which of them this is, from 0.
        task: gaussian, kde, regression, categorical, family or transformer.
        workflow: as in `collapsejax run gaussian --help`: one or more.
        num_samples: rows of real data, and rows that each model generates (n); several make a dimension.
        num_generations: models fitted one after the other (G).
        num_seeds: independent repetitions (S); may grow later.
        seed: root of all randomness. Default 0.
        keep: seeds, every number; or summary, statistics over the seeds. Default: seeds.
        chunk: seeds that are computed and stored together. Default: as memory suggests.
        rows: draw literal rows even where the exact law of their summary is known.
        no_compilation_cache: compile every program anew, and keep none for later runs.
    """

    fields: SweepTaskFlags
    sequences: SequenceFlags
    spec: tyro.conf.Positional[optional(str, "SPEC.toml")] = None
    out: optional(str, "DIR") = None
    dry_run: bool = False
    devices: optional(int, "N") = None
    distributed: bool = False
    coordinator: optional(str, "HOST:PORT") = None
    num_processes: optional(int, "N") = None
    process_id: optional(int, "I") = None
    task: optional(str, "NAME") = None
    workflow: optional(list[str], "NAME [NAME ...]") = None
    num_samples: optional(list[int], "INT [INT ...]") = None
    num_generations: optional(int, "INT") = None
    num_seeds: optional(int, "INT") = None
    seed: optional(int, "INT") = None
    keep: optional(str, "{seeds,summary}") = None
    chunk: optional(int, "INT") = None
    rows: bool = False
    no_compilation_cache: bool = False

    def run(self) -> None:
        if self.out is None and not self.dry_run:
            raise ValueError("out: a sweep needs a place for its store; give --out DIR, or --dry-run")
        compilation_cache.set_up(off=self.no_compilation_cache)
        share = self._join() if self.distributed or self.coordinator else (0, 1)
        devices = chosen_devices(self.devices)
        plan = make_plan(**self._arguments(), out=self.out, devices=devices, share=share)
        if self.dry_run:
            with output.progress() as progress:
                timings = rehearse(plan, progress)
            output.print_rehearsal(plan, timings)
            return
        with output.progress() as progress, _stopping_between_chunks(progress, self.out) as report:
            dataset = carry_out(plan, report)
        output.print_times(dataset)
        print(f"wrote {self.out}: collapsejax info, collapsejax plot, or collapsejax.open in Python show what is there")

    def _arguments(self) -> dict[str, Any]:
        fields = {} if self.spec is None else spec.read(self.spec)
        names = ("task", "workflow", "num_samples", "num_generations", "num_seeds", "seed", "keep", "chunk")
        given = {name: getattr(self, name) for name in names} | {"rows": self.rows or None}
        fields |= {name: _one_or_several(value) for name, value in given.items() if value is not None}
        of_task = vars(self.fields) | vars(self.sequences)
        in_task = {name: value for name, value in of_task.items() if value is not None}
        settings = {name: in_task.pop(name) for name in list(in_task) if name in SETTINGS}
        in_task = {name: _one_or_several(value) for name, value in in_task.items()}
        if settings:
            if "source" not in in_task:
                raise ValueError(f"{next(iter(settings))}: belongs to a source of real data; name one with --source")
            names = in_task["source"] if isinstance(in_task["source"], list) else [in_task["source"]]
            in_task["source"] = _one_or_several([{"name": name, **settings} for name in names])
        if in_task and isinstance(fields.get("task"), str):
            fields[fields["task"]] = fields.get(fields["task"], {}) | in_task
        try:
            return spec.arguments(fields)
        except spec.FieldError as error:
            where = "" if self.spec is None else f"{self.spec}:{spec.line_of(self.spec, error.name)} "
            raise ValueError(f"{where}{error}") from None

    def _join(self) -> tuple[int, int]:
        """Which of how many processes this is. They leave one another at once, so that none waits for a dead one."""
        told = (self.coordinator, self.num_processes, self.process_id)
        if any(value is None for value in told) and any(value is not None for value in told):
            raise ValueError("coordinator, num_processes and process_id: give all three of them, or none")
        if self.coordinator and not 0 <= self.process_id < self.num_processes:
            raise ValueError(f"process_id={self.process_id}: must be from 0 to num_processes - 1")
        # No process's devices talk to another's; without this setting the CPU's would even to one another.
        jax.config.update("jax_cpu_collectives_implementation", None)
        split_cpu(self.devices)
        try:
            jax.distributed.initialize(*told)
        except (ValueError, RuntimeError) as error:
            raise ValueError(
                f"distributed: {error}; give --coordinator HOST:PORT --num-processes N --process-id I"
            ) from None
        share = jax.process_index(), jax.process_count()
        jax.distributed.shutdown()
        return share


def _one_or_several(values: Any) -> Any:
    return values[0] if isinstance(values, list) and len(values) == 1 else values


@contextlib.contextmanager
def _stopping_between_chunks(report: Report, out: str) -> Iterator[Report]:
    """A report that raises KeyboardInterrupt after the chunk during which Ctrl-C came; a second one comes at once."""
    asked = threading.Event()

    def ask(number: int, frame: Any) -> None:
        del number, frame
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        print("stopping after the chunk in flight; Ctrl-C again stops at once", file=sys.stderr)

    def stopping(progress: Progress) -> None:
        report(progress)
        if asked.is_set():
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield stopping
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"what is complete is in {out}; the same command again goes on") from None
    finally:
        signal.signal(signal.SIGINT, before)
