// Compiled once per instruction set, with RUNNER_ISA naming its namespace and RUNNER_VEC its vec.h.
#include "vec_table.h"

#include RUNNER_VEC

namespace fastconv::RUNNER_ISA {

#include "kernels/generic/activation.inl"

namespace {

template <class T>
using Binary = typename Vec<T>::Reg (*)(typename Vec<T>::Reg, typename Vec<T>::Reg);

template <class T, Binary<T> F>
void binary(const T* a, const T* b, T* out) {
  Vec<T>::store(out, F(Vec<T>::load(a), Vec<T>::load(b)));
}

template <class T>
void activate_all(const T* x, T* y, Index count, Activation activation) {
  for (Index i = 0; i < count; i += Vec<T>::width)
    Vec<T>::store(y + i, activate<T>(Vec<T>::load(x + i), activation));
}

template <class T>
void transpose(const T* rows, T* out) {
  constexpr int W = Vec<T>::width;
  typename Vec<T>::Reg r[W];
  for (int i = 0; i < W; ++i) r[i] = Vec<T>::load(rows + i * W);
  Vec<T>::transpose(r);
  for (int i = 0; i < W; ++i) Vec<T>::store(out + i * W, r[i]);
}

template <class T>
constexpr runner::VecTable<T> make_table() {
  using V = Vec<T>;
  return {
      .width = V::width,
      .registers = V::registers,
      .zero = [](T* out) { V::store(out, V::zero()); },
      .set = [](T value, T* out) { V::store(out, V::set(value)); },
      .load = [](const T* p, T* out) { V::store(out, V::load(p)); },
      .load_first = [](const T* p, int n, T* out) { V::store(out, V::load_first(p, n)); },
      .load_step2 = [](const T* p, T* out) { V::store(out, V::load_step2(p)); },
      .store = [](T* p, const T* a) { V::store(p, V::load(a)); },
      .store_first = [](T* p, const T* a, int n) { V::store_first(p, V::load(a), n); },
      .store_range = [](T* p, const T* a, int lo,
                        int hi) { V::store_range(p, V::load(a), lo, hi); },
      .fma = [](const T* a, const T* b, const T* c,
                T* out) { V::store(out, V::fma(V::load(a), V::load(b), V::load(c))); },
      .fnma = [](const T* a, const T* b, const T* c,
                 T* out) { V::store(out, V::fnma(V::load(a), V::load(b), V::load(c))); },
      .add = binary<T, V::add>,
      .sub = binary<T, V::sub>,
      .mul = binary<T, V::mul>,
      .div = binary<T, V::div>,
      .max = binary<T, V::max>,
      .min = binary<T, V::min>,
      .max_nan = binary<T, V::max_nan>,
      .min_nan = binary<T, V::min_nan>,
      .scale = binary<T, V::scale>,
      .abs = [](const T* a, T* out) { V::store(out, V::abs(V::load(a))); },
      .round = [](const T* a, T* out) { V::store(out, V::round(V::load(a))); },
      .less_select =
          [](const T* a, const T* b, const T* yes, const T* no, T* out) {
            V::store(out, V::less_select(V::load(a), V::load(b), V::load(yes), V::load(no)));
          },
      .nan_select =
          [](const T* a, const T* yes, const T* no, T* out) {
            V::store(out, V::nan_select(V::load(a), V::load(yes), V::load(no)));
          },
      .any_nan = [](const T* a) { return V::any_nan(V::load(a)); },
      .sum = [](const T* a) { return V::sum(V::load(a)); },
      .transpose = transpose<T>,
      .activate = activate_all<T>,
  };
}

constexpr runner::VecTable<float> kFloat32 = make_table<float>();
constexpr runner::VecTable<double> kFloat64 = make_table<double>();

}  // namespace

extern const runner::VecTables kVecTables;
const runner::VecTables kVecTables = {Isa::RUNNER_ISA, &kFloat32, &kFloat64};

}  // namespace fastconv::RUNNER_ISA
