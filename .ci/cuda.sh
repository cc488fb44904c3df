#!/usr/bin/env bash
# Compiles every CUDA kernel, warnings as errors, for the oldest and the newest architecture, which an
# installation leaves to the driver (or for those that FASTCONV_CUDA_ARCHITECTURES names, as
# CMAKE_CUDA_ARCHITECTURES does). No GPU is needed. Where the
# machine has no nvcc, NVIDIA's wheels from PyPI are one.
#
# usage: .ci/cuda.sh [BUILD_DIR]
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
build=${1:-$(mktemp -d)}
mkdir -p "$build"
architectures="${FASTCONV_CUDA_ARCHITECTURES:-75-real;120-real}"

if ! command -v nvcc >/dev/null && [ -z "${CUDACXX:-}" ]; then
  "$PYTHON" -m venv "$build/nvcc"
  "$build/nvcc/bin/pip" install -q "nvidia-cuda-nvcc==13.0.*" "nvidia-cuda-crt==13.0.*" \
    "nvidia-nvvm==13.0.*" "nvidia-cuda-runtime==13.0.*" "nvidia-cuda-culibos==13.0.*" \
    "nvidia-cuda-cccl==13.0.*"
  CUDACXX=$(find "$build/nvcc" -path '*/bin/nvcc' -type f | head -1)
  # The wheels have lib; the compiler's profile looks for lib64.
  root=$(dirname "$(dirname "$CUDACXX")")
  [ -e "$root/lib64" ] || ln -s lib "$root/lib64"
  export CUDACXX
fi

generator=()
command -v ninja >/dev/null && generator=(-G Ninja)
cmake -S . -B "$build/objects" "${generator[@]}" -DFASTCONV_BUILD_PYTHON=OFF -DFASTCONV_CUDA=ON \
  -DFASTCONV_WERROR=ON -DCMAKE_OPTIMIZE_DEPENDENCIES=ON \
  "-DFASTCONV_CUDA_ARCHITECTURES=$architectures" >"$build/cmake.log" || {
  tail -30 "$build/cmake.log" >&2
  exit 1
}
cmake --build "$build/objects" --target fastconv_cuda -j "${JOBS:-2}"
