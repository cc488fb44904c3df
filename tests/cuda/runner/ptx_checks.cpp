// The emulated warp instructions against the formulas of the PTX ISA, sections "Matrix fragments
// for mma.m16n8k16" (.f16, .bf16), "mma.m16n8k8" (.tf32) and "ldmatrix".
#include <cstring>

#include "checks.h"
#include "cuda/ptx/convert.cuh"
#include "cuda/ptx/cp_async.cuh"
#include "cuda/ptx/ldmatrix.cuh"
#include "cuda/ptx/mma.cuh"

namespace fastconv::runner {
namespace {

// Whole numbers without a pattern that a permutation would keep.
float entry(int matrix, int row, int column) {
  return static_cast<float>((matrix * 31 + row * 7 + column * 13 + row * column) % 17 - 8);
}

std::uint16_t bits(float value, const cuda::HalfProduct*) {
  return Narrowed<Half>::of(value).bits;
}
std::uint16_t bits(float value, const cuda::BFloat16Product*) {
  return Narrowed<BFloat16>::of(value).bits;
}

template <class Product>
void fill_fragments(int group, int thread, unsigned (&a)[4], unsigned (&b)[2]) {
  const Product* type = nullptr;
  std::uint16_t a_half[8], b_half[4];
  for (int i = 0; i < 8; ++i) {
    const int row = i < 2 || (i >= 4 && i < 6) ? group : group + 8;
    const int column = thread * 2 + (i & 1) + (i >= 4 ? 8 : 0);
    a_half[i] = bits(entry(0, row, column), type);
  }
  for (int i = 0; i < 4; ++i) {
    const int row = thread * 2 + (i & 1) + (i >= 2 ? 8 : 0);
    b_half[i] = bits(entry(1, row, group), type);
  }
  std::memcpy(a, a_half, sizeof(a));
  std::memcpy(b, b_half, sizeof(b));
}

template <>
void fill_fragments<cuda::Tf32Product>(int group, int thread, unsigned (&a)[4], unsigned (&b)[2]) {
  for (int i = 0; i < 4; ++i) {
    const int row = i == 0 || i == 2 ? group : group + 8;
    a[i] = cuda::round_to_tf32(entry(0, row, i < 2 ? thread : thread + 4));
  }
  for (int i = 0; i < 2; ++i) b[i] = cuda::round_to_tf32(entry(1, thread + 4 * i, group));
}

template <class Product>
void check_product(const char* name, int depth, Report& report) {
  int wrong = 0;
  cuda::shim::run_grid({1, 1, 1}, {32, 1, 1}, 0, [&] {
    const int group = cuda::lane_index() >> 2, thread = cuda::lane_index() % 4;
    unsigned a[4], b[2];
    fill_fragments<Product>(group, thread, a, b);
    float sums[4] = {1, 2, 3, 4};
    Product::add(sums, a, b);
    for (int i = 0; i < 4; ++i) {
      const int row = i < 2 ? group : group + 8, column = thread * 2 + (i & 1);
      float want = static_cast<float>(i + 1);
      for (int k = 0; k < depth; ++k) want += entry(0, row, k) * entry(1, k, column);
      wrong += sums[i] != want;
    }
  });
  report.check(wrong == 0, std::string(name) + ": " + std::to_string(wrong) + " wrong sums");
}

void check_matrices(Report& report) {
  int wrong = 0;
  cuda::shim::run_grid({1, 1, 1}, {32, 1, 1}, 32 * 16, [&] {
    auto* shared = cuda::shared_memory<std::uint16_t>();
    const int lane = cuda::lane_index();
    for (int i = 0; i < 8; ++i) shared[lane * 8 + i] = static_cast<std::uint16_t>(lane * 8 + i);
    __syncwarp();
    unsigned words[4];
    // Rows from the last to the first, so that addresses and not places decide.
    cuda::load_matrices(words, shared + (31 - lane) * 8);
    for (int i = 0; i < 4; ++i) {
      const int row = 31 - (8 * i + lane / 4), column = lane % 4 * 2;
      const auto first = static_cast<unsigned>(row * 8 + column);
      wrong += words[i] != (first | (first + 1) << 16);
    }
  });
  report.check(wrong == 0, "ldmatrix: " + std::to_string(wrong) + " wrong words");
}

// Copies arrive when they are waited for, oldest first, and not before.
void check_copies(Report& report) {
  alignas(16) float from[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  alignas(16) float to[12] = {};
  cuda::shim::run_grid({1, 1, 1}, {1, 1, 1}, 0, [&] {
    cuda::copy_async(to, from, true);
    cuda::commit_copies();
    cuda::copy_async(to + 4, from + 4, true);
    cuda::copy_async(to + 8, from, false);
    cuda::commit_copies();
    report.check(to[0] != to[0], "cp.async: bytes arrived before the wait");
    cuda::wait_for_copies<1>();
    report.check(to[0] == 1 && to[3] == 4, "cp.async: the older group is not there");
    report.check(to[4] != to[4], "cp.async: the younger group arrived before the wait");
    cuda::wait_for_copies<0>();
    report.check(to[7] == 8 && to[8] == 0, "cp.async: the younger group is not there");
  });
}

}  // namespace

void check_ptx(Report& report) {
  report.group("warp instructions");
  check_product<cuda::HalfProduct>("mma.m16n8k16 float16", 16, report);
  check_product<cuda::BFloat16Product>("mma.m16n8k16 bfloat16", 16, report);
  check_product<cuda::Tf32Product>("mma.m16n8k8 tf32", 8, report);
  check_matrices(report);
  check_copies(report);
}

}  // namespace fastconv::runner
