#!/usr/bin/env bash
# Cross-compiles the C++ kernel tests for 64-bit Arm and runs them under emulation.
#
# usage: .ci/neon.sh [PROBLEM_FILE]
# Without a file the problems are exported first, which needs PYTHON with numpy and fastconv.
# Missing tools are installed where CI is set and the user is root, else named.
set -euo pipefail
source "$(dirname "$0")/kernel_tests.sh"

if ! command -v aarch64-linux-gnu-g++ >/dev/null || ! command -v qemu-aarch64-static >/dev/null; then
  if [ -n "${CI:-}" ] && [ "$(id -u)" = 0 ]; then
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
      g++-aarch64-linux-gnu qemu-user-static >/dev/null
  else
    echo "neon.sh needs the packages g++-aarch64-linux-gnu and qemu-user-static:" >&2
    echo "  sudo apt-get install g++-aarch64-linux-gnu qemu-user-static" >&2
    exit 2
  fi
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
problems=${1:-$work/problems.bin}
[ -f "$problems" ] || export_problems "$problems"

# Optimised further, the kernels take twice as long to compile and save 7 of 52 seconds under emulation.
build_kernel_tests "$work/neon" -DCMAKE_BUILD_TYPE=RelWithDebInfo \
  "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1 -DNDEBUG" \
  -DCMAKE_TOOLCHAIN_FILE="$root/cmake/toolchain-aarch64.cmake"
# The scalar unit is the text that runs natively elsewhere.
FASTCONV_ISA=neon qemu-aarch64-static -L /usr/aarch64-linux-gnu \
  "$work/neon/tests/kernels/runner/fastconv_runner" "$problems"
