"""What this package does on an accelerator, in one call of a few minutes: is it right there, how fast, and what binds.

Sections run in order, none stops the others, and each record is written as soon as it is there. `--tiny` runs all of
them on whatever device there is, with sizes of which only the running counts.
"""

from __future__ import annotations

import functools
import os
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("JAX_ENABLE_COMPILATION_CACHE", "false")

import bounds
import jax
import jax.numpy as jnp
import kernels
import launches
import measure
import numpy as np
import rich.console
import rich.table
import run
import tyro
from rich.box import SIMPLE

import collapsejax as cj
from collapsejax import language, loop, theory
from collapsejax.core.checks import uses_rows
from collapsejax.data.rows import Rows
from collapsejax.loop.memory import bytes_of, free_bytes
from collapsejax.numerics.random import normal
from collapsejax.numerics.subsets import subset
from collapsejax.numerics.threefry import fused

# Seeds of a call, for each cell: as many as its kernels take in one piece. TINY: those of `--tiny`.
CALLS = {
    "gaussian-d1-n100-replace": (2**10, 2**14, 2**18, 2**20),
    "gaussian-d1-n100-accumulate": (2**10, 2**14, 2**18, 2**20),
    "gaussian-d1-n100-accumulate-subsample": (2**10, 2**14, 2**17),
    "gaussian-d10-n1000-replace": (2**10, 2**14, 2**18, 2**20),
    "gaussian-d10-n1000-accumulate": (2**10, 2**14, 2**18, 2**20),
    "gaussian-d100-n1000-accumulate": (2**10, 2**14),
    "kde-moons-h0.5-n1000-replace": (2**10, 2**14),
    "kde-moons-h0.5-n1000-accumulate": (2**10, 2**14),
    "regression-d10-n1000-accumulate": (2**10, 2**14, 2**18),
}
TINY = {"gaussian-d1-n100-replace": (16,), "kde-moons-h0.5-n100-accumulate": (16,)}
LAUNCHED = ("gaussian-d1-n100-replace", "gaussian-d10-n1000-accumulate")
TUNED = ("gaussian-d1-n100-accumulate-subsample", "gaussian-d10-n1000-accumulate", "gaussian-d100-n1000-accumulate")
PROFILED = ("gaussian-d1-n100-accumulate-subsample", "gaussian-d10-n1000-replace", "kde-moons-h0.5-n1000-replace")
COMMAND_BUFFERS = {
    "none": "",
    "default": None,
    "loops": "FUSION,CUBLAS,CUBLASLT,CUSTOM_CALL,CUDNN,DYNAMIC_SLICE_FUSION,WHILE,CONDITIONAL",
}
APART = 1e-4  # relative difference of a metric from which on a seed counts as another one
MOST_COMPARED = 2**18  # seeds whose mean is compared with the exact one
ROUNDING = 1e-6  # of a mean, relative: the least that counts as its standard error
LONG = 4.0  # seconds beyond which a call of more seeds is left out
FILLED = 0.8  # of the free memory, for which the compiler's account of a program may ask

Record = dict[str, Any]
Section = Callable[["Plan"], Iterator[Record]]


class Plan(NamedTuple):
    """What is measured how large, and until when (`deadline`, of `time.monotonic`)."""

    tiny: bool
    deadline: float
    programs: dict[tuple[str, int], Future]

    @property
    def calls(self) -> dict[str, tuple[int, ...]]:
        """Seeds of the calls of each cell, the fewest first."""
        return TINY if self.tiny else CALLS

    @property
    def num_generations(self) -> int:
        return 5 if self.tiny else run.NUM_GENERATIONS

    @property
    def repeats(self) -> int:
        return 1 if self.tiny else 5

    def program(self, name: str, num_seeds: int) -> Compiled:
        """Of that cell, compiled now unless the section of compilation has done so."""
        future = self.programs.get((name, num_seeds))
        return future.result() if future else compiled(cell_of(name), num_seeds, self.num_generations)

    def check_time(self) -> None:
        """Raise TimeoutError behind the deadline."""
        if time.monotonic() > self.deadline:
            raise TimeoutError("the time given by --minutes is over")


def cell_of(name: str) -> run.Cell:
    """The cell of that name."""
    (cell,) = run.chosen((name,))
    return cell


def arguments_of(cell: run.Cell, num_seeds: int, num_generations: int, device: jax.Device | None = None) -> tuple:
    """Positional and static arguments of `loop.simulate`, on that device."""
    keys = jax.device_put(cj.seed_keys(jax.random.key(7), num_seeds), device)
    sizes = dict(num_samples=cell.num_samples, num_generations=num_generations)
    return loop.prepared(
        keys, run.TASKS[cell.task](**cell.fields), run.WORKFLOWS[cell.workflow], **sizes, rows=cell.rows
    )


class Compiled(NamedTuple):
    """A program, its arguments, and the seconds that each of tracing and compiling took."""

    program: Any
    arguments: tuple
    trace_s: float
    compile_s: float


def compiled(cell: run.Cell, num_seeds: int, num_generations: int, **options: Any) -> Compiled:
    """The program of a call, with compiler options beside those of this package."""
    started = time.perf_counter()
    arguments, static = arguments_of(cell, num_seeds, num_generations)
    lowered = loop.simulate.lower(*arguments, **static)
    traced = time.perf_counter()
    program = lowered.compile(loop.COMPILER_OPTIONS | options)
    return Compiled(program, arguments, traced - started, time.perf_counter() - traced)


def median_seconds(call: Callable[[], Any], repeats: int) -> float:
    """Of a call that is compiled; fewer repetitions where one takes seconds."""
    first = measure.seconds(call)
    repeats = max(1, min(repeats, int(LONG / first)))
    return statistics.median(measure.seconds(call) for _ in range(repeats))


unit_costs = functools.cache(bounds.unit_costs)


def card(plan: Plan) -> Iterator[Record]:
    """What the device is, and nanoseconds of each of the operations that bounds are made of."""
    account = jax.devices()[0].memory_stats() or {}
    yield dict(kind=jax.devices()[0].device_kind, bytes_limit=account.get("bytes_limit"))
    if plan.tiny:
        return
    yield dict(unit_costs=unit_costs())
    size = 8192
    matrix = normal(jax.random.key(0), (size, size))
    for precision in ("highest", "tensorfloat32", "bfloat16"):
        product = jax.jit(partial(jnp.matmul, precision=precision))
        operand = matrix.astype(jnp.bfloat16) if precision == "bfloat16" else matrix
        jax.block_until_ready(product(operand, operand))
        seconds = median_seconds(lambda product=product, operand=operand: product(operand, operand), 9)
        yield dict(precision=precision, matmul_tflops=2 * size**3 / seconds / 1e12)


def compilation(plan: Plan) -> Iterator[Record]:
    """Compile the programs of all cells in threads, and tell what each launches in a generation."""
    with ThreadPoolExecutor() as threads:
        for name, calls in plan.calls.items():
            for num_seeds in calls:
                future = threads.submit(compiled, cell_of(name), num_seeds, plan.num_generations)
                plan.programs[name, num_seeds] = future
        for (name, num_seeds), future in plan.programs.items():
            try:
                done = future.result()
            except Exception as error:
                yield dict(name=name, seeds=num_seeds, error=f"{type(error).__name__}: {error}"[:2000])
                continue
            number = launches.of_generation(done.program.as_text())
            times = dict(trace_s=done.trace_s, compile_s=done.compile_s, bytes=bytes_of(done.program))
            yield dict(name=name, seeds=num_seeds, **number._asdict(), **times)


def agreement(plan: Plan) -> Iterator[Record]:
    """This device's numbers beside those of the host's CPU: bits and indices equal, metrics of all but a few seeds."""
    device, host = jax.devices()[0], jax.devices("cpu")[0]
    keys = cj.seed_keys(jax.random.key(3), 64)

    def both(function: Callable[..., Any], *arguments: Any) -> list[np.ndarray]:
        places = (device, host)
        return [np.asarray(jax.jit(function)(*jax.device_put(arguments, place))) for place in places]

    bits = both(jax.vmap(lambda key: jax.random.bits(fused(key), (1000,), jnp.uint32)), keys)
    yield dict(what="random bits", equal=bool(np.array_equal(*bits)))
    normals = both(jax.vmap(lambda key: normal(key, (10_000,))), keys)
    apart = np.abs(normals[0] - normals[1])
    yield dict(what="normals", equal=float(np.mean(apart == 0)), largest_difference=float(apart.max()))
    squares = np.arange(2, 300, dtype=np.int32) ** 2
    counts = np.concatenate([np.arange(50, 2000), squares - 1, squares, squares + 1]).astype(np.int32)
    indices = both(jax.vmap(lambda count: subset(jax.random.key(5), count, 3)), counts)
    yield dict(what="subsets", equal=bool(np.array_equal(*indices)))

    def here(name: str, num_seeds: int) -> dict[str, np.ndarray]:
        done = plan.program(name, num_seeds)
        return jax.device_get(done.program(*done.arguments).metrics)

    def there(name: str, num_seeds: int) -> dict[str, np.ndarray]:
        arguments, static = arguments_of(cell_of(name), num_seeds, plan.num_generations, host)
        with jax.default_device(host):
            return jax.device_get(loop.simulate(*arguments, **static).metrics)

    with ThreadPoolExecutor() as threads:
        firsts = {name: calls[0] for name, calls in plan.calls.items()}
        futures = {name: threads.submit(there, name, num_seeds) for name, num_seeds in firsts.items()}
        for name, num_seeds in firsts.items():
            try:
                ours, theirs = here(name, num_seeds), futures[name].result()
            except Exception as error:
                yield dict(what=name, error=f"{type(error).__name__}: {error}"[:2000])
                continue
            differ = {
                metric: np.abs(values - theirs[metric]) > APART * np.maximum(np.abs(theirs[metric]), APART)
                for metric, values in ours.items()
            }
            shares = {
                f"share_apart_at_{g}": {metric: float(np.mean(of[:, g])) for metric, of in differ.items()}
                for g in sorted({0, plan.num_generations // 10, plan.num_generations - 1})
            }
            lost = int(sum(np.sum(~np.isfinite(values)) for values in ours.values()))
            lost_there = int(sum(np.sum(~np.isfinite(values)) for values in theirs.values()))
            yield dict(what=name, seeds=num_seeds, not_finite=lost, not_finite_on_cpu=lost_there, **shares)


def throughput(plan: Plan) -> Iterator[Record]:
    """Seconds over the number of seeds, beside the bound of this device; and how far means are from the exact ones."""
    costs = None if plan.tiny else unit_costs()
    for name, calls in plan.calls.items():
        cell, last = cell_of(name), None
        task, workflow = run.TASKS[cell.task](**cell.fields), run.WORKFLOWS[cell.workflow]
        size = dict(num_samples=cell.num_samples, num_generations=plan.num_generations)
        for num_seeds in calls:
            plan.check_time()
            try:
                done = plan.program(name, num_seeds)
                if bytes_of(done.program) > FILLED * free_bytes(jax.devices()[0]):
                    yield dict(name=name, seeds=num_seeds, left_out=f"{bytes_of(done.program):,} bytes")
                    break
                if last and last.seconds * num_seeds / last.seeds > LONG:
                    yield dict(name=name, seeds=num_seeds, left_out=f"{last.seconds:.1f} s for {last.seeds} seeds")
                    break
                result = jax.block_until_ready(done.program(*done.arguments))
                seconds = median_seconds(lambda done=done: done.program(*done.arguments), plan.repeats)
            except Exception as error:
                yield dict(name=name, seeds=num_seeds, error=f"{type(error).__name__}: {error}"[:2000])
                break
            last = _Timed(seconds, num_seeds)
            record = dict(name=name, seeds=num_seeds, seconds=seconds, per_second=num_seeds / seconds)
            record["seed_generations_per_second"] = num_seeds * plan.num_generations / seconds
            record["generation_us"] = 1e6 * seconds / plan.num_generations
            if costs:
                dim = cell.fields.get("dim") or task.source.dim
                sizes = bounds.Sizes(dim, cell.num_samples, getattr(task, "num_test", 0), plan.num_generations)
                needs = bounds.counts(cell.task, cell.workflow, uses_rows(task, workflow, cell.rows), sizes)
                bound, binding = bounds.bound(needs, plan.num_generations, costs)
                record |= dict(bound_s=bound, binding=binding, share=bound * num_seeds / seconds)
            yield record | dict(z=largest_z(task, workflow, size, result.metrics, num_seeds))
            del result


class _Timed(NamedTuple):
    seconds: float
    seeds: int


def largest_z(task: Any, workflow: Any, size: dict[str, int], metrics: Any, num_seeds: int) -> dict[str, float]:
    """Largest |mean - exact| in standard errors, for each metric with an exact curve, where its mean is informative."""
    exact = theory.curve(task, workflow, **size)
    last = theory.informative(task, workflow, **size, num_seeds=min(num_seeds, MOST_COMPARED))
    found = {}
    for name in exact:
        curve = exact[name][: last[name] + 1]
        if not curve.size:
            continue
        values = np.asarray(metrics[name][:MOST_COMPARED, : curve.size], np.float64)
        error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
        z = (values.mean(axis=0) - curve) / np.maximum(error, ROUNDING * np.abs(curve))
        found[name] = float(np.max(np.abs(z)))
    return found


def command_buffers(plan: Plan) -> Iterator[Record]:
    """Seconds with kernels launched one by one, with those of an iteration as one graph, and with loops in it."""
    yield from options_compared(plan, LAUNCHED, "xla_gpu_enable_command_buffer", COMMAND_BUFFERS)


def autotuning(plan: Plan) -> Iterator[Record]:
    """Seconds with kernels as the compiler chooses them, and with those it finds fastest by trying."""
    yield from options_compared(plan, TUNED, "xla_gpu_autotune_level", {"none": None, "full": 4})


def options_compared(plan: Plan, names: tuple[str, ...], option: str, values: dict[str, Any]) -> Iterator[Record]:
    """Seconds of calls of 2^10 and 2^14 seeds for each value of a compiler option; None: as this package has it."""
    if jax.default_backend() != "gpu":
        yield dict(left_out=f"{option} is for GPUs")
        return
    calls = [(name, num_seeds) for name in names for num_seeds in CALLS[name][:2]]
    with ThreadPoolExecutor() as threads:
        futures = {
            (call, label): threads.submit(plan.program, *call)
            if value is None
            else threads.submit(compiled, cell_of(call[0]), call[1], plan.num_generations, **{option: value})
            for call in calls
            for label, value in values.items()
        }
        usual: dict[tuple[str, int], Any] = {}
        for (call, label), future in futures.items():
            record = dict(name=call[0], seeds=call[1], option=option, value=label)
            try:
                done = future.result()
                run_once = partial(done.program, *done.arguments)
                metrics = jax.device_get(run_once().metrics)
                expected = usual.setdefault(call, metrics)
                equal = all(np.array_equal(values, expected[name], equal_nan=True) for name, values in metrics.items())
                seconds = median_seconds(run_once, 11)
                yield record | dict(seconds=seconds, compile_s=done.compile_s, equal_to_first=equal)
            except Exception as error:
                yield record | dict(error=f"{type(error).__name__}: {error}"[:2000])


def language_model(plan: Plan) -> Iterator[Record]:
    """Tokens that are trained on a second, over seeds in step and precisions, and teraflops by 6 a token and weight."""
    width, window, vocab_size = (16, 8, 16) if plan.tiny else (128, 64, 64)
    decoder = language.Decoder(vocab_size, window, width, 2, 2)
    training = language.Training(num_steps=3 if plan.tiny else 50)
    values = jax.random.randint(jax.random.key(1), (256, window), 0, vocab_size).astype(jnp.uint8)
    rows = Rows.of(values)
    variables = decoder.init(jax.random.key(0), values[:1])
    num_weights = sum(leaf.size for leaf in jax.tree.leaves(variables))
    for num_seeds in (2,) if plan.tiny else (1, 32, 256):
        for precision in ("highest",) if plan.tiny else ("highest", "tensorfloat32", "bfloat16"):
            plan.check_time()
            with jax.default_matmul_precision(precision):
                one = lambda key: language.fit(key, decoder, variables, rows, training)
                program = jax.jit(jax.vmap(one)).lower(cj.seed_keys(jax.random.key(2), num_seeds)).compile()
            call = partial(program, cj.seed_keys(jax.random.key(2), num_seeds))
            jax.block_until_ready(call())
            seconds = median_seconds(call, min(plan.repeats, 3))
            tokens = num_seeds * training.num_steps * training.batch_size * window
            rates = dict(tokens_per_second=tokens / seconds, tflops=6 * num_weights * tokens / seconds / 1e12)
            yield dict(width=width, seeds=num_seeds, precision=precision, weights=num_weights, seconds=seconds, **rates)


def sweep(plan: Plan) -> Iterator[Record]:
    """A sweep from call to summary, compilation included, and once more."""
    num_seeds = 256 if plan.tiny else 2**20
    for number in range(2):
        started = time.perf_counter()
        options = dict(num_seeds=num_seeds, num_generations=plan.num_generations, keep="summary")
        parts = (cj.Gaussian(3), [cj.Replace(), cj.Accumulate()])
        data = cj.sweep(*parts, num_samples=100, key=jax.random.key(number), **options)
        seconds = time.perf_counter() - started
        yield dict(turn=number, experiments=2, seeds=num_seeds, seconds=seconds, sizes=dict(data.sizes))


def profile(plan: Plan) -> Iterator[Record]:
    """Nanoseconds of each kernel, for a generation of a seed."""
    for name in list(TINY)[:1] if plan.tiny else PROFILED:
        plan.check_time()
        cell = cell_of(name)._replace(num_seeds=16 if plan.tiny else 2**12)
        times = kernels.kernel_times(cell)
        yield dict(name=name, seeds=cell.num_seeds, kernels=len(times), kernels_ns=dict(list(times.items())[:12]))


SECTIONS: dict[str, Section] = {
    "card": card,
    "compilation": compilation,
    "throughput": throughput,
    "agreement": agreement,
    "command-buffers": command_buffers,
    "language": language_model,
    "sweep": sweep,
    "profile": profile,
    "autotuning": autotuning,
}


def measured(name: str, plan: Plan) -> Iterator[Record]:
    """The records of a section; what goes wrong is the last of them."""
    started = time.perf_counter()
    try:
        plan.check_time()
        for record in SECTIONS[name](plan):
            yield dict(section=name, **record)
    except TimeoutError as error:
        yield dict(section=name, left_out=str(error))
    except Exception as error:
        places = traceback.extract_tb(error.__traceback__)[-6:]
        trace = [f"{Path(place.filename).name}:{place.lineno} {place.name}" for place in places]
        yield dict(section=name, error=f"{type(error).__name__}: {error}"[:2000], trace=trace)
    yield dict(section=name, section_s=time.perf_counter() - started)


def print_table(records: list[Record]) -> None:
    """Throughput of each cell, and one line for each section that failed."""
    table = rich.table.Table(box=SIMPLE)
    for heading in ("cell", "seeds", "seeds/s", "us a generation", "share of the bound", "binds", "largest |z|"):
        table.add_column(heading, justify="left" if heading == "cell" else "right", no_wrap=True)
    for record in records:
        if record["section"] == "throughput" and "seconds" in record:
            rate, step = f"{record['per_second']:,.0f}", f"{record['generation_us']:,.1f}"
            bound = (f"{record['share']:.0%}", record["binding"]) if "share" in record else ("", "")
            largest = max(record["z"].values(), default=float("nan"))
            table.add_row(record["name"], f"{record['seeds']:,}", rate, step, *bound, f"{largest:.1f}")
    console = rich.console.Console()
    if not console.is_terminal:
        console.width = 140
    console.print(table)
    for record in records:
        if "error" in record:
            console.print(record["section"], record.get("name", ""), record.get("seeds", ""), record["error"][:300])


def main(minutes: float = 7.0, tiny: bool = False, only: tuple[str, ...] = (), out: Path | None = None) -> None:
    """Check and time this package on this device.

    Args:
        minutes: after which nothing new is begun.
        tiny: small sizes, to see that everything runs.
        only: names of sections. Default: all.
        out: file to add lines of JSON to. Default: accelerator- and the platform, in benchmarks/results.
    """
    for name in only:
        if name not in SECTIONS:
            raise ValueError(f"--only {name}: there are {', '.join(SECTIONS)}")
    path = measure.results_file(out, "accelerator-")
    plan = Plan(tiny, time.monotonic() + 60 * minutes, {})
    measure.append(path, dict(section="begin", tiny=tiny, **measure.provenance()))
    records = []
    for name in only or SECTIONS:
        for record in measured(name, plan):
            measure.append(path, record)
            print({key: value for key, value in record.items() if key not in ("trace", "kernels_ns")}, flush=True)
            records.append(record)
    print_table(records)


if __name__ == "__main__":
    try:
        tyro.cli(main)
    except ValueError as error:
        sys.exit(f"accelerator.py: {error}")
