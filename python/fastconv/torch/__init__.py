"""fastconv for PyTorch: operators, layers and :func:`accelerate` for CPU tensors."""
try:
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "fastconv.torch needs PyTorch: pip install 'fastconv[torch]'", name=error.name
    ) from error
from fastconv.torch.functional import *
