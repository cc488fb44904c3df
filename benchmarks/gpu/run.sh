#!/usr/bin/env bash
# Everything that needs a GPU, in one go: builds fastconv for it, runs the tests, runs a part of them
# under compute-sanitizer's four tools, benchmarks, and writes what was found with chip, driver, date
# and commit to benchmarks/results/gpu-CHIP-DATE/.
#
# usage: benchmarks/gpu/run.sh [RESULTS_DIR]
#
# Needs a GPU with its driver, a CUDA toolkit (nvcc; compute-sanitizer where it is to be run), and an
# interpreter, named by PYTHON (default python3), with PyTorch for CUDA and, for the filters and the
# tests of its arrays, CuPy. Under 9 minutes on 16 cores. A step that fails does not stop the others;
# the script fails at the end then. Steps that cannot be run are reported as skipped.
set -uo pipefail
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-python3}
commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
chip=$(nvidia-smi --query-gpu=name --format=csv,noheader -i 0) || {
  echo "nvidia-smi finds no GPU: there is nothing to run" >&2
  exit 2
}
driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader -i 0)
capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader -i 0 | tr -d .)
date=$(date -u +%Y-%m-%d)
results=${1:-benchmarks/results/gpu-$(echo "$chip" | tr ' ' '-')-$date}
mkdir -p "$results"
results=$(cd "$results" && pwd)
summary=$results/summary.txt
printf 'chip %s\ndriver %s\ndate %s\ncommit %s\n' "$chip" "$driver" "$date" "$commit" >"$summary"

failed=0
step() {  # name, time limit in seconds, command
  local name=$1 limit=$2 started=$SECONDS outcome=passed
  shift 2
  timeout "$limit" "$@" >"$results/$name.log" 2>&1 || { outcome="FAILED ($?)"; failed=1; }
  printf '%-12s %-12s %4d s  %s\n' "$name" "$outcome" $((SECONDS - started)) \
    "$(tail -1 "$results/$name.log" | cut -c1-120)" | tee -a "$summary"
}
skipped() {
  printf '%-12s skipped: %s\n' "$1" "$2" | tee -a "$summary"
}

venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
"$PYTHON" -m venv --system-site-packages "$venv"
export PATH="$venv/bin:$PATH" CMAKE_BUILD_PARALLEL_LEVEL=${JOBS:-16}
step build 240 pip install ".[bench,test]" pytest-xdist -C cmake.define.FASTCONV_CUDA=ON \
  -C "cmake.define.FASTCONV_CUDA_ARCHITECTURES=$capability-real" \
  -C build-dir="build/gpu-$capability"

python - >>"$summary" <<'PY'
import fastconv
print("cuda", fastconv.show_config().cuda)
PY

step tests 150 python -m pytest -q -n 4 tests/cuda/test_gpu_operators.py \
  tests/cuda/test_gpu_streams.py tests/cuda/test_without_gpu.py

# The sanitizers slow kernels down by one to two orders of magnitude: one problem in 40.
if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck initcheck synccheck; do
    step "$tool" 60 compute-sanitizer --tool "$tool" --error-exitcode 9 --target-processes all \
      python benchmarks/gpu/sanitized.py
  done
else
  skipped sanitizers "compute-sanitizer is not on PATH"
fi

for precision in highest medium; do
  step "bench-$precision" 75 fastconv bench --device cuda --quick --precision "$precision" \
    --json "$results/bench-$precision.json" --png "$results/bench-$precision.png"
done
step bench-half 75 fastconv bench --device cuda --quick --dtype bfloat16 \
  --json "$results/bench-bfloat16.json" --png "$results/bench-bfloat16.png"

echo "results: $results"
exit $failed
