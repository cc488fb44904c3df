"""The installed package imports alone: without the checkout, the user's site or any framework."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from package_build import run

# -S leaves site-packages out; what fastconv requires is added back by name, so that a stray import
# of anything else fails here.
_PROGRAM = """
import sys
installed, *dependencies = sys.argv[1:]
sys.path[:0] = [installed, *dependencies]
import fastconv
import numpy as np
assert fastconv.__file__.startswith(installed), fastconv.__file__
image = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)
kernel = np.arange(4, dtype=np.float32).reshape(1, 1, 2, 2)
assert fastconv.conv2d(image, kernel).tolist() == [[[[19.0, 25.0], [37.0, 43.0]]]]
heavy = {"torch", "jax", "tensorflow", "cupy", "onnx", "onnxruntime", "scipy", "matplotlib",
         "click", "rich"}
print(sorted(heavy & set(sys.modules)))
"""


def test_import_needs_numpy_alone(installed: Path, tmp_path: Path) -> None:
    import numpy as np

    for name in ("numpy", "numpy.libs"):
        source = Path(np.__file__).parents[1] / name
        if source.exists():
            (tmp_path / name).symlink_to(source)
    out = run(
        [sys.executable, "-I", "-S", "-c", _PROGRAM, installed, tmp_path],
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if not key.startswith("FASTCONV_")},
    )
    assert out.strip() == "[]"
