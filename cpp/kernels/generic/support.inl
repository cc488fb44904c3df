// Small things that several kernels need: scratch carving and row copies.

// Scratch memory handed out front to back, each piece aligned to a cache line.
struct Carver {
  std::byte* at;

  template <class T>
  T* take(Index count) {
    T* piece = reinterpret_cast<T*>(at);
    at += (static_cast<std::size_t>(count) * sizeof(T) + 63) / 64 * 64;
    return piece;
  }
};

// Compilers read a value again from memory for each use, where an instruction can take it from
// there, and compute the address of each load ahead, which takes a register for each. What is held
// is read once; from an address that is held, the loads' own offsets are counted. Units of 16
// registers hold nothing: they read two vectors in a cycle, and a tile's sums leave few registers
// (measured with AVX2: 3x3 depthwise channels-last a tenth slower, rows no faster).
template <class T>
[[gnu::always_inline]] static inline void hold([[maybe_unused]] typename Vec<T>::Reg& value) {
#if defined(__AVX512F__)
  __asm__("" : "+v"(value));
#elif defined(__aarch64__)
  if constexpr (Vec<T>::registers >= 32) __asm__("" : "+w"(value));
#endif
}

template <class T>
[[gnu::always_inline]] static inline void hold_address([[maybe_unused]] const T*& at) {
  if constexpr (Vec<T>::registers >= 32) __asm__("" : "+r"(at));
}

template <class T>
static inline void fill_zero(T* to, Index count) {
  Index i = 0;
  for (; i + Vec<T>::width <= count; i += Vec<T>::width) Vec<T>::store(to + i, Vec<T>::zero());
  if (i < count) Vec<T>::store_first(to + i, Vec<T>::zero(), static_cast<int>(count - i));
}

// to[i] = from[i*step] for i in [0, count); one of the types may be the narrow form of the other.
template <class To, class From>
static inline void copy_strided(To* to, const From* from, Index step, Index count) {
  using V = Vec<To>;
  using F = Vec<From>;
  Index i = 0;
  if (step == 1) {
    for (; i + V::width <= count; i += V::width) V::store(to + i, F::load(from + i));
    if (i < count) {
      const int rest = static_cast<int>(count - i);
      V::store_first(to + i, F::load_first(from + i, rest), rest);
    }
    return;
  }
  if (step == 2) {
    for (; i + V::width <= count; i += V::width) V::store(to + i, F::load_step2(from + 2 * i));
    if (i < count) {
      constexpr Index W = V::width;
      const Index rest = count - i, reach = 2 * rest - 1;
      const auto low = F::range(0, static_cast<int>(smaller(reach, W)));
      const auto high = F::range(0, static_cast<int>(larger(0, reach - W)));
      V::store_first(to + i, F::load_step2_masked(from + 2 * i, low, high), static_cast<int>(rest));
      return;
    }
  }
  for (; i < count; ++i) to[i] = Narrowed<To>::of(widen(from[i * step]));
}

// One row of a packed block: `length` elements, of which element m is input column start + m*step,
// zero outside `inside`. `stride` is the memory stride between input columns.
template <class To, class From>
static inline void pack_row(To* to, Index length, const From* row, Index stride, Range inside,
                            Index start, Index step) {
  if (inside.empty()) return fill_zero(to, length);
  fill_zero(to, inside.lo);
  copy_strided(to + inside.lo, row + (start + inside.lo * step) * stride, step * stride,
               inside.hi - inside.lo);
  fill_zero(to + inside.hi, length - inside.hi);
}
