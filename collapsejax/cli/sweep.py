"""The command that carries out a sweep, alone or as one of several processes."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import tyro

from . import declared
from .compilation_cache import Compiles
from .declared import Maker
from .flags import flags, optional
from .specification import Specification


@dataclasses.dataclass(frozen=True)
class Sweep(Compiles):
    """Sweep a grid of experiments over many seeds, into a store that the same command carries on.

    Fields of tasks, settings of sources and of workflows have flags too: --task NAME --help shows them.

    Args:
        spec: TOML file with fields that are flags below, those of tasks, sources and workflows in tables.
        out: directory of the store. Where this sweep is there already, only what is missing is computed.
        dry_run: compile and time a little of everything, and say what the sweep would take.
        devices: how many devices share the seeds; a CPU is split into so many. Default: all, and one for each
            core of a CPU.
        distributed: one of several processes, as Slurm, Open MPI, Kubernetes or a TPU start them; each computes its
            part and writes it to the same store.
        coordinator: where process 0 can be reached by the others, as host:port, if nothing tells it.
        num_processes: with a coordinator, how many processes there are.
        process_id: with a coordinator, which of them this is, from 0.
    """

    sweep: Specification
    spec: tyro.conf.Positional[optional(str, "[SPEC.toml]")] = None
    out: optional(str, "DIR") = None
    dry_run: bool = False
    devices: optional(int, "N") = None
    distributed: bool = False
    coordinator: optional(str, "HOST:PORT") = None
    num_processes: optional(int, "N") = None
    process_id: optional(int, "I") = None

    @classmethod
    def asked(cls, arguments: Sequence[str]) -> type[Sweep]:
        """The command with flags for fields of tasks, sources and workflows; in a help text those of the task named."""
        tasks = declared.tasks()
        if not {"-h", "--help"}.isdisjoint(arguments):
            tasks = {name: task for name, task in tasks.items() if f"--task={name}" in _joined(arguments)}
            if not tasks:
                return cls
        kinds = {kind for task in tasks.values() if "source" in task.settings for kind in task.settings["source"].kinds}
        sources = {name: maker for kind in kinds for name, maker in declared.sources()[kind].items()}
        of_tasks, of_sources = _names(tasks), _names(sources)
        both = {**tasks, **{f"source {name}": maker for name, maker in sources.items()}}
        several, title = dict(several=True), "several values make a dimension."
        workflows = declared.workflows()
        fields = [
            ("task", flags(f"Fields of the task; {title}", both, **several, without=of_sources - of_tasks)),
            ("source", flags("Settings of its sources.", sources, **several, without=of_tasks)),
            ("workflow", flags(f"Settings of workflows; {title}", workflows, **several, qualified=True)),
        ]
        namespace = {"__doc__": cls.__doc__}
        bases = (cls,)
        return dataclasses.make_dataclass("Sweep", fields, bases=bases, namespace=namespace, frozen=True, kw_only=True)

    def run(self) -> None:
        from ..sweeps.execution import Execution
        from ..sweeps.plan import make_plan
        from ..sweeps.run import carry_out, rehearse
        from . import output
        from .devices import chosen_devices
        from .signals import stopping_between_chunks

        if self.out is None and not self.dry_run:
            raise ValueError("out: a sweep needs a place for its store; give --out DIR, or --dry-run")
        self.set_up_cache()
        share = self._join() if self.distributed or self.coordinator else (0, 1)
        devices = chosen_devices(self.devices)
        arguments = self._arguments()
        execution = Execution(chunk=arguments.pop("chunk", None), devices=devices, share=share)
        plan = make_plan(**arguments, out=self.out, execution=execution)
        if self.dry_run:
            with output.progress(quiet=self.quiet) as progress:
                timings = rehearse(plan, progress)
            output.print_rehearsal(plan, timings)
            return
        with output.progress(quiet=self.quiet) as progress, stopping_between_chunks(progress, self.out) as report:
            dataset = carry_out(plan, report)
        if self.quiet:
            return
        output.print_times(dataset)
        print(f"wrote {self.out}: collapsejax info, collapsejax plot, or collapsejax.open in Python show what is there")

    def _arguments(self) -> dict[str, Any]:
        """The arguments of a sweep and its `chunk`, of the file and the flags."""
        from ..tasks import TASKS
        from . import spec
        from .schema import FieldError

        fields = {} if self.spec is None else spec.read(self.spec)
        given = {name: value for name, value in vars(self.sweep).items() if value is not None and value is not False}
        fields |= _one_or_several(given)
        of_task = _one_or_several(self.task | self.source)
        try:
            if of_task and (task := fields.get("task")) in (*TASKS,):
                fields[task] = spec.with_flags(task, fields.get(task, {}), of_task)
            for name, value in _one_or_several(self.workflow).items():
                workflow, setting = name.split(".")
                fields[workflow] = spec.merged(fields.get(workflow, {}), {setting: value})
            return spec.arguments(fields)
        except FieldError as error:
            where = "" if self.spec is None else f"{self.spec}:{spec.line_of(self.spec, error.path)} "
            raise ValueError(f"{where}{error}") from None

    def _join(self) -> tuple[int, int]:
        """Which of how many processes this is. They leave one another at once, so that none waits for a dead one."""
        import jax

        from ..core.arguments import check_count
        from .devices import split_cpu

        told = (self.coordinator, self.num_processes, self.process_id)
        if any(value is None for value in told) and any(value is not None for value in told):
            raise ValueError("coordinator, num_processes and process_id: give all three of them, or none")
        if self.coordinator:
            check_count("num_processes", self.num_processes)
            check_count("process_id", self.process_id, least=0, most=self.num_processes - 1)
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


def _one_or_several(flags: dict[str, Any]) -> dict[str, Any]:
    """One value instead of a list of one, which would make a dimension."""
    return {name: value[0] if isinstance(value, list) and len(value) == 1 else value for name, value in flags.items()}


def _joined(arguments: Sequence[str]) -> list[str]:
    """Arguments, and each two that follow one another as "--flag=value"."""
    return [*arguments, *(f"{flag}={value}" for flag, value in itertools.pairwise(arguments))]


def _names(makers: Mapping[str, Maker]) -> set[str]:
    """Names of all settings of these."""
    return {name for maker in makers.values() for name in maker.settings}
