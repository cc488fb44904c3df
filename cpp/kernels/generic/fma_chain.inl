// The ceiling: fused multiply-adds on twelve independent accumulators, nothing else.

template <class T>
static double fma_chain(Index count) {
  using Vt = Vec<T>;
  constexpr int kChains = 12;
  typename Vt::Reg acc[kChains];
  typename Vt::Reg a = Vt::set(T(0.999999)), b = Vt::set(T(1e-9));
#pragma GCC unroll 12
  for (int i = 0; i < kChains; ++i) acc[i] = Vt::set(static_cast<T>(i));
  for (Index i = 0; i < count; i += kChains) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) acc[c] = Vt::fma(acc[c], a, b);
    // Keeps the compiler from folding iterations into one.
    __asm__ volatile("" : : : "memory");
  }
  double sum = 0.0;
#pragma GCC unroll 12
  for (int i = 0; i < kChains; ++i) sum += static_cast<double>(Vt::sum(acc[i]));
  return sum;
}
