"""The same benchmark on a GPU: contestants on tensors there, ceilings of the device."""

from .ceilings import measure_ceilings
from .contestants import GPU_PEER_NAMES, GpuFastconv, load_gpu_peers

__all__ = ["GPU_PEER_NAMES", "GpuFastconv", "load_gpu_peers", "measure_ceilings"]
