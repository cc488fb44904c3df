"""A cross-section of the operators on a GPU, for compute-sanitizer; run from a checkout.

Arrays come from the CUDA allocator itself, one allocation each, so that an access beyond an array
is one beyond an allocation.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["PYTORCH_NO_CUDA_MEMORY_CACHING"] = "1"
_TESTS = Path(__file__).resolve().parents[2] / "tests"
sys.path[:0] = [str(_TESTS), str(_TESTS / "cuda")]

EVERY = 40


def main() -> None:
    """Run them; a wrong result raises."""
    import gpu_problems as problems
    from gpu_arrays import Torch

    import cases

    arrays = Torch()
    others = [*cases.POOL_CASES, *cases.UNPOOL_CASES, *cases.FOLD_CASES, *cases.IMAGE_CASES]
    convolutions = problems.sample(problems.CONVOLUTIONS, EVERY)
    count = 0
    for problem in [*convolutions, *problems.sample(others, EVERY)]:
        problems.check_operator(problem, arrays.to, arrays.back)
        count += 1
    for problem in convolutions:
        problems.check_convolution_gradients(problem, arrays.to, arrays.back)
        count += 1
    for problem in problems.sample(problems.GRADIENTS, EVERY):
        problems.check_pooling_gradient(problem, arrays.to, arrays.back)
        count += 1
    arrays.wait()
    print(f"{count} problems are right")


if __name__ == "__main__":
    main()
