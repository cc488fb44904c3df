// Compiled once per instruction set, with RUNNER_ISA naming its namespace and RUNNER_NARROW its
// narrow.h.
#include "narrow_table.h"

#include RUNNER_NARROW

namespace fastconv::RUNNER_ISA {

namespace {

template <class T>
constexpr runner::NarrowTable<T> make_table() {
  using V = Vec<T>;
  using F = Vec<float>;
  constexpr int W = V::width;
  return {
      .width = W,
      .load = [](const T* p, float* out) { F::store(out, V::load(p)); },
      .load_first = [](const T* p, int n, float* out) { F::store(out, V::load_first(p, n)); },
      .load_masked = [](const T* p, int lo, int hi,
                        float* out) { F::store(out, V::load_masked(p, V::range(lo, hi))); },
      .load_step2 = [](const T* p, float* out) { F::store(out, V::load_step2(p)); },
      .load_step2_masked =
          [](const T* p, int lo, int hi, float* out) {
            const int low = lo < W ? lo : W, low_end = hi < W ? hi : W;
            const int high = lo > W ? lo - W : 0, high_end = hi > W ? hi - W : high;
            F::store(out,
                     V::load_step2_masked(p, V::range(low, low_end), V::range(high, high_end)));
          },
      .store = [](T* p, const float* a) { V::store(p, F::load(a)); },
      .store_first = [](T* p, const float* a, int n) { V::store_first(p, F::load(a), n); },
      .store_range = [](T* p, const float* a, int lo,
                        int hi) { V::store_range(p, F::load(a), lo, hi); },
  };
}

constexpr runner::NarrowTable<Half> kFloat16 = make_table<Half>();
constexpr runner::NarrowTable<BFloat16> kBFloat16 = make_table<BFloat16>();

}  // namespace

extern const runner::NarrowTables kNarrowTables;
const runner::NarrowTables kNarrowTables = {&kFloat16, &kBFloat16};

}  // namespace fastconv::RUNNER_ISA
