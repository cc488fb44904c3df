"""``fastconv bench``: every layer verified, timed against the peers, tabulated and drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import fastconv
from fastconv._plan import MemoryFormat
from fastconv.cli._console import report_console
from fastconv.cli._machine import active_isa, forced_isa
from fastconv.cli._progress import watch

_HELP = """Verify and time layers of well-known networks against the libraries that are installed.

\b
fastconv bench                                       everything, about 20 minutes
fastconv bench --quick                               a cross-section
fastconv bench --suite resnet50 --layer 'layer3*'    some layers
fastconv bench --suite filters --peer opencv         one peer
fastconv bench --precision high                      float32 at another level
fastconv bench --network resnet50                    inference and a training step
fastconv bench --random 200 --seed 1                 layers of no network, drawn at random
fastconv bench --isa avx2                            peers are held to AVX2 too
fastconv bench --memory-format channels_last         fastconv's arrays in the other layout
fastconv bench --device cuda                         on a GPU, against cuDNN and CuPy

Ctrl-C ends the run after the layer that is being measured and reports what there is.
"""


@click.command(help=_HELP)
@click.option(
    "--suite", "suites", multiple=True, default=("all",), help="Suite; may be repeated. [all]"
)
@click.option(
    "--network",
    "networks",
    multiple=True,
    help="Whole network instead of layers: lenet, alexnet, vgg16, resnet18, resnet50, googlenet or "
    "all; repeatable.",
)
@click.option(
    "--random",
    "random_count",
    type=click.IntRange(min=1),
    help="So many layers drawn at random instead of those of networks.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of --random.")
@click.option("--layer", "layers", multiple=True, help="Shell pattern of names, such as 'conv3*'.")
@click.option(
    "--peer", "peers", multiple=True, default=("all",), help="Peer, all or none; repeatable. [all]"
)
@click.option("--threads", type=click.IntRange(min=1), help="Threads for everyone. [all cores]")
@click.option("--algorithm", default="auto", help="Algorithm forced on fastconv. [auto]")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float64", "bfloat16", "float16"]),
    default="float32",
    help="Of all arrays, the peers' too. [float32]",
)
@click.option(
    "--precision",
    type=click.Choice(["highest", "high", "medium"]),
    help="Level asked of fastconv; at medium peers use bfloat16 where they can. [the setting]",
)
@click.option("--isa", help="Instruction set forced on fastconv.")
@click.option(
    "--memory-format",
    type=click.Choice(["contiguous", "channels_last"]),
    default="contiguous",
    show_default=True,
    help="Layout of fastconv's arrays; peers keep their best.",
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    help="cuda: on the GPU, against PyTorch/cuDNN and CuPy. [cpu]",
)
@click.option("--quick", is_flag=True, help="Few layers and short times: a minute or two.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("fastconv-bench.json"),
    show_default=True,
    help="Where all figures go.",
)
@click.option(
    "--png",
    "png_file",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("fastconv-bench.png"),
    show_default=True,
    help="Where the picture goes.",
)
@click.option("--no-files", is_flag=True, help="Write no files.")
@click.option("--list", "only_list", is_flag=True, help="List suites, layers and peers, and stop.")
def bench(
    suites: tuple[str, ...],
    networks: tuple[str, ...],
    random_count: int | None,
    seed: int,
    layers: tuple[str, ...],
    peers: tuple[str, ...],
    threads: int | None,
    algorithm: str,
    dtype: str,
    precision: str | None,
    isa: str | None,
    memory_format: MemoryFormat,
    quick: bool,
    device: str,
    json_file: Path,
    png_file: Path,
    no_files: bool,
    only_list: bool,
) -> None:
    """Verify and time layers of well-known networks against the libraries that are installed."""
    from fastconv.benchmarks import suites as catalogue
    from fastconv.benchmarks.peers import hold_peers, load_peers
    from fastconv.benchmarks.results import write_json
    from fastconv.benchmarks.session import measure
    from fastconv.benchmarks.table import print_run

    with forced_isa(isa):
        held = hold_peers(active_isa())
    try:
        if random_count is None:
            chosen = _select(suites, networks, layers, quick)
        else:
            chosen = _draw_layers(random_count, seed, suites, networks, layers)
        if device == "cuda" and memory_format != "contiguous":
            raise click.BadParameter("is for the CPU", param_hint="--memory-format")
        if device == "cuda":
            found, missing = _gpu_peers(networks)(peers)
        else:
            found, missing = load_peers(peers, networks=bool(networks))
    except catalogue.SelectionError as error:
        raise click.UsageError(str(error)) from error
    if only_list:
        _list(chosen, found, missing)
        return
    _require_algorithm(algorithm)
    if networks and (dtype, algorithm) != ("float32", "auto"):
        raise click.UsageError(
            f"--network runs in float32 with automatic choice, got --dtype {dtype} --algorithm "
            f"{algorithm}; leave them out"
        )
    if not no_files:
        _require_folder("--json", json_file)
        _require_folder("--png", png_file)
    with forced_isa(isa), watch(len(chosen)) as observer:
        run = measure(
            chosen,
            found,
            missing,
            threads=threads or fastconv.get_num_threads(),
            dtype=dtype,
            algorithm=algorithm,
            precision=precision or fastconv.get_precision(),
            isa=active_isa(),
            held=held,
            quick=quick,
            observer=observer,
            networks=bool(networks),
            device=device,
            memory_format=memory_format,
        )
    print_run(run, report_console())
    if not no_files and run.layers:
        write_json(run, json_file)
        click.echo(f"figures: {json_file}")
        _draw(run, png_file)
    if run.failures:
        raise SystemExit(1)
    if run.interrupted:
        raise SystemExit(130)


def _gpu_peers(networks: tuple[str, ...]) -> Any:
    """Return what loads the peers for a GPU, or say why there is nothing to measure on."""
    if networks:
        raise click.BadParameter("networks run on the CPU", param_hint="--device")
    status = fastconv.show_config().cuda
    if not status.startswith("on: "):
        raise click.BadParameter(f"CUDA is {status}", param_hint="--device")
    try:
        import torch

        from fastconv.benchmarks.gpu import load_gpu_peers
    except ImportError as error:
        raise click.BadParameter(
            f"tensors on the GPU are PyTorch's: {error}", param_hint="--device"
        ) from error
    if not torch.cuda.is_available():
        raise click.BadParameter("this PyTorch has no CUDA", param_hint="--device")
    return load_gpu_peers


def _select(
    suites: tuple[str, ...], networks: tuple[str, ...], layers: tuple[str, ...], quick: bool
) -> Any:
    from fastconv.benchmarks import suites as catalogue

    if not networks:
        return catalogue.select(suites, layers, quick=quick)
    if suites != ("all",):
        raise catalogue.SelectionError("network: give --suite or --network, got both")
    from fastconv.benchmarks.networks.problem import select_networks

    return select_networks(networks, layers, quick=quick)


def _draw_layers(
    count: int,
    seed: int,
    suites: tuple[str, ...],
    networks: tuple[str, ...],
    layers: tuple[str, ...],
) -> Any:
    from fastconv.benchmarks import suites as catalogue
    from fastconv.benchmarks.random_layers import random_layers

    if networks or suites != ("all",):
        raise catalogue.SelectionError("random: give one of --random, --suite and --network")
    return catalogue.matching(random_layers(count, seed), layers, quick=False)


def _require_folder(option: str, path: Path) -> None:
    if not path.absolute().parent.is_dir():
        raise click.BadParameter(
            f"the folder of {str(path)!r} does not exist; create it first", param_hint=option
        )


def _require_algorithm(name: str) -> None:
    allowed = fastconv.show_config().algorithms
    if name not in allowed:
        raise click.BadParameter(
            f"got {name!r}; allowed: {', '.join(allowed)}", param_hint="--algorithm"
        )


def _draw(run: Any, path: Path) -> None:
    try:
        from fastconv.benchmarks.pictures import draw
    except ImportError as error:
        click.echo(f"no picture: {error}; pip install 'fastconv[bench]'", err=True)
        return
    draw(run, path)
    click.echo(f"picture: {path}")


def _list(layers: Any, found: Any, missing: Any) -> None:
    from fastconv.benchmarks.table import shape_text

    for layer in layers:
        problem = layer.problem
        times = f" *{layer.repeat}" if layer.repeat > 1 else ""
        click.echo(f"{layer.suite}/{problem.name}{times}: {problem.op} {shape_text(problem)}")
    click.echo("peers:")
    for peer in found:
        click.echo(f"  {peer.key}: {peer.title}")
    for peer in missing:
        click.echo(f"  {peer.key}: missing: {peer.reason}")
