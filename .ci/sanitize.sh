#!/usr/bin/env bash
# Runs the C++ kernel tests under the address, undefined-behaviour and thread sanitizers.
#
# usage: .ci/sanitize.sh [PROBLEM_FILE [address|thread]]
# Without a file the problems are exported first, which needs PYTHON with numpy and fastconv. Without
# a sanitizer both run, one after the other.
# The matrix unit is emulated, so that its kernels are tested on every machine, loads and stores of
# tiles included. The kernels' text is the same for all vector units: one with masked tails and the
# matrix unit are built for addresses, one without masks for threads; the scalar unit, which every build
# has and which is the slowest, runs for addresses alone. The thread sanitizer runs on the
# std::thread backend: it cannot see into libgomp's barriers.
set -euo pipefail
source "$(dirname "$0")/kernel_tests.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
problems=${1:-$work/problems.bin}
[ -f "$problems" ] || export_problems "$problems"

# Optimised further, the instrumented kernels of one instruction set take long to compile.
flags=(-DCMAKE_BUILD_TYPE=RelWithDebInfo "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1 -DNDEBUG"
  -DFASTCONV_EMULATED_TILES=ON -DFASTCONV_CUDA=OFF)

address() {
  build_kernel_tests "$work/address" "${flags[@]}" -DFASTCONV_SANITIZE="address;undefined" \
    "-DFASTCONV_UNITS=avx512;amx"
  UBSAN_OPTIONS=print_stacktrace=1 \
    "$work/address/tests/kernels/runner/fastconv_runner" "$problems"
  rm -rf "$work/address"
}

thread() {
  build_kernel_tests "$work/thread" "${flags[@]}" -DFASTCONV_SANITIZE=thread -DFASTCONV_OPENMP=OFF \
    -DFASTCONV_UNITS=avx2
  TSAN_OPTIONS=halt_on_error=1 FASTCONV_ISA=avx2 \
    "$work/thread/tests/kernels/runner/fastconv_runner" "$problems"
}

for sanitizer in ${2:-address thread}; do
  echo "-- $sanitizer"
  "$sanitizer"
done
