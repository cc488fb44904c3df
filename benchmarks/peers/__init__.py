"""Peer libraries, each optional: what is not installed is named with the reason."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

import fastconv

from ..contestant import Contestant
from ..suites import SelectionError

# Key on the command line -> module of this package and the factory in it.
_PEERS = {
    "torch": (".torch_modes", "Eager"),
    "torch-channels-last": (".torch_modes", "ChannelsLast"),
    "torch-packed": (".torch_modes", "Packed"),
    "onnxruntime": (".onnx_runtime", "OnnxRuntime"),
    "openvino": (".open_vino", "OpenVino"),
    "ncnn": (".ncnn_net", "Ncnn"),
    "opencv": (".image_filters", "OpenCv"),
    "scipy-correlate2d": (".image_filters", "signal_direct"),
    "scipy-ndimage": (".image_filters", "ndimage"),
    "scipy-fft": (".image_filters", "fft"),
    "scipy-oaconvolve": (".image_filters", "overlap_add"),
}
# The same for whole networks.
_NETWORK_PEERS = {
    "torch": ("..networks.torch_modes", "Eager"),
    "torch-channels-last": ("..networks.torch_modes", "ChannelsLast"),
    "torch-packed": ("..networks.torch_modes", "Frozen"),
    "torch-compile": ("..networks.torch_modes", "Compiled"),
    "onnxruntime": ("..networks.graph_runtimes", "OnnxRuntime"),
    "openvino": ("..networks.graph_runtimes", "OpenVino"),
    "ncnn": ("..networks.ncnn_form", "Ncnn"),
}
PEER_NAMES = tuple(_PEERS)
NETWORK_PEER_NAMES = tuple(_NETWORK_PEERS)


@dataclass(frozen=True)
class Missing:
    """A peer that cannot be used here."""

    key: str
    reason: str


# Environment that keeps a peer from instruction sets beyond the one that fastconv is held to. It
# counts when the peer's library is loaded. ONNX Runtime and ncnn have no such switch.
_HOLD = {
    "avx2": {
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "OPENCV_CPU_DISABLE": "AVX512-SKX,AVX512-ICL",
    },
    "avx512": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"},
}


def hold_peers(isa: str) -> dict[str, str]:
    """Hold the peers to an instruction set, before they are loaded.

    Returns:
        The environment variables that do it; empty where fastconv uses the machine's best.
    """
    if isa == fastconv.show_config().runnable_isas[0]:
        return {}
    held = _HOLD.get(isa, {})
    os.environ.update(held)
    return held


def load_peers(
    names: Sequence[str] = ("all",), *, networks: bool = False
) -> tuple[list[Contestant], list[Missing]]:
    """Import the named peers.

    Args:
        names: Keys of PEER_NAMES (NETWORK_PEER_NAMES), ``"all"``, or ``"none"``.
        networks: Whether they are to run whole networks.

    Returns:
        The peers that can be used, and the others with the reason.
    """
    known = _NETWORK_PEERS if networks else _PEERS
    unknown = [n for n in names if n not in (*known, "all", "none")]
    if unknown:
        allowed = ", ".join(("all", "none", *known))
        raise SelectionError(f"peer: got {unknown[0]!r}; allowed: {allowed}")
    wanted = [n for n in known if "all" in names or n in names]
    found: list[Contestant] = []
    missing: list[Missing] = []
    for key in wanted:
        module, factory = known[key]
        try:
            found.append(getattr(import_module(module, __package__), factory)())
        except ImportError as error:
            missing.append(Missing(key, str(error).splitlines()[0]))
    return found, missing
