# Builds the C++ kernel tests in one configuration; sourced by the other scripts.
#
# usage: build_kernel_tests BUILD_DIR [cmake options]...
#        export_problems FILE
# PYTHON names an interpreter that has numpy and fastconv's Python sources' requirements.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PYTHON=${PYTHON:-python3}
jobs=${JOBS:-2}

build_kernel_tests() {
  local build=$1
  shift
  local generator=()
  command -v ninja >/dev/null && generator=(-G Ninja)
  cmake -S "$root" -B "$build" "${generator[@]}" -DFASTCONV_BUILD_PYTHON=OFF \
    -DFASTCONV_BUILD_RUNNER=ON -DFASTCONV_WERROR=ON "$@" >"$build.log" 2>&1 &&
    cmake --build "$build" -j "$jobs" --target fastconv_runner >>"$build.log" 2>&1 || {
    tail -50 "$build.log" >&2
    return 1
  }
}

export_problems() {
  "$PYTHON" "$root/tests/kernels/runner/export.py" "$@"
}
