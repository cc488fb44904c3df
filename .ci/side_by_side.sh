#!/usr/bin/env bash
# Sanitizers and emulated arm64, all at a time: each is one long compilation, then one process, of which
# two cores take three sooner than one after the other.
#
# usage: .ci/side_by_side.sh WORK_DIR
# PYTHON names an interpreter that has numpy and fastconv.
set -euo pipefail
cd "$(dirname "$0")/.."
source .ci/kernel_tests.sh

work=$1
problems=$work/problems.bin
# One problem in twenty: sanitizers and emulation slow the kernels down by an order of magnitude.
export_problems --every 20 "$problems"

declare -A stages=(
  [address]=".ci/sanitize.sh $problems address"
  [thread]=".ci/sanitize.sh $problems thread"
  [arm64]=".ci/neon.sh $problems"
)
# The longest first: one large file is most of it, and the others fill the second core meanwhile.
declare -A patience=([address]=0 [thread]=10 [arm64]=10)
declare -A running=()
for stage in "${!stages[@]}"; do
  nice -n "${patience[$stage]}" ${stages[$stage]} >"$work/$stage.log" 2>&1 &
  running[$stage]=$!
done

failed=""
for stage in "${!running[@]}"; do
  wait "${running[$stage]}" || failed+=" $stage"
  printf -- '\n---- %s (%d s)\n' "$stage" "$SECONDS"
  cat "$work/$stage.log"
done
[ -z "$failed" ] || {
  echo "failed:$failed" >&2
  exit 1
}
