// Rows turned into columns: blocks of 4 x 4, whole matrices, and rows woven into one.

template <class T>
using Quad [[gnu::vector_size(4 * sizeof(T))]] = T;

// to[j*to_step + m] = from[m*from_row + j], a 4 x 4 block.
template <class T>
static inline void transpose_4x4(const T* from, Index from_row, T* to, Index to_step) {
  Quad<T> a, b, c, d;
  __builtin_memcpy(&a, from, sizeof(a));
  __builtin_memcpy(&b, from + from_row, sizeof(b));
  __builtin_memcpy(&c, from + 2 * from_row, sizeof(c));
  __builtin_memcpy(&d, from + 3 * from_row, sizeof(d));
  const Quad<T> ab_lo = __builtin_shufflevector(a, b, 0, 4, 1, 5);
  const Quad<T> ab_hi = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const Quad<T> cd_lo = __builtin_shufflevector(c, d, 0, 4, 1, 5);
  const Quad<T> cd_hi = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  a = __builtin_shufflevector(ab_lo, cd_lo, 0, 1, 4, 5);
  b = __builtin_shufflevector(ab_lo, cd_lo, 2, 3, 6, 7);
  c = __builtin_shufflevector(ab_hi, cd_hi, 0, 1, 4, 5);
  d = __builtin_shufflevector(ab_hi, cd_hi, 2, 3, 6, 7);
  __builtin_memcpy(to, &a, sizeof(a));
  __builtin_memcpy(to + to_step, &b, sizeof(b));
  __builtin_memcpy(to + 2 * to_step, &c, sizeof(c));
  __builtin_memcpy(to + 3 * to_step, &d, sizeof(d));
}

// to[j*to_row + i] = from[i*from_row + j] for i < rows, j < cols; the target is written in order.
template <class T>
static void transpose(const T* from, Index from_row, Index rows, Index cols, T* to, Index to_row) {
  const Index rows_in_fours = rows / 4 * 4, cols_in_fours = cols / 4 * 4;
  for (Index j = 0; j < cols_in_fours; j += 4) {
    for (Index i = 0; i < rows_in_fours; i += 4) {
      transpose_4x4(from + i * from_row + j, from_row, to + j * to_row + i, to_row);
    }
  }
  for (Index j = 0; j < cols; ++j) {
    for (Index i = j < cols_in_fours ? rows_in_fours : 0; i < rows; ++i) {
      to[j * to_row + i] = from[i * from_row + j];
    }
  }
}

// The lower and the upper half of a[0] b[0] a[1] b[1] ...
template <class T>
static inline void interleave_pair(typename Vec<T>::Reg a, typename Vec<T>::Reg b,
                                   typename Vec<T>::Reg& low, typename Vec<T>::Reg& high) {
  constexpr int W = Vec<T>::width;
  static_assert(W == 2 || W == 4 || W == 8 || W == 16);
  if constexpr (W == 2) {
    low = __builtin_shufflevector(a, b, 0, 2);
    high = __builtin_shufflevector(a, b, 1, 3);
  } else if constexpr (W == 4) {
    low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  } else if constexpr (W == 8) {
    low = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
    high = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
  } else {
    low = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    high =
        __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  }
}

// Two or four rows, in vectors; returns how many positions are done.
template <class T, int Rows>
static inline Index interleave_vectors(const T* from, Index from_row, Index count, T* to) {
  using Vt = Vec<T>;
  constexpr int W = Vt::width;
  Index j = 0;
  for (; j + W <= count; j += W) {
    typename Vt::Reg out[Rows];
    if constexpr (Rows == 2) {
      interleave_pair<T>(Vt::load(from + j), Vt::load(from + from_row + j), out[0], out[1]);
    } else {
      typename Vt::Reg even[2], odd[2];
      interleave_pair<T>(Vt::load(from + j), Vt::load(from + 2 * from_row + j), even[0], even[1]);
      interleave_pair<T>(Vt::load(from + from_row + j), Vt::load(from + 3 * from_row + j), odd[0],
                         odd[1]);
      interleave_pair<T>(even[0], odd[0], out[0], out[1]);
      interleave_pair<T>(even[1], odd[1], out[2], out[3]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < Rows; ++i) Vt::store(to + j * Rows + i * W, out[i]);
  }
  return j;
}

// `rows` streams of `count` elements, interleaved.
template <class T>
static void interleave(const T* from, Index from_row, Index rows, Index count, T* to) {
  if (rows == 1) return copy_strided(to, from, 1, count);
  Index j = 0;
  if constexpr (Vec<T>::width > 1) {
    if (rows == 2) j = interleave_vectors<T, 2>(from, from_row, count, to);
    if (rows == 4) j = interleave_vectors<T, 4>(from, from_row, count, to);
  }
  if (rows % 4 == 0) {
    for (; j + 4 <= count; j += 4) {
      for (Index r = 0; r < rows; r += 4) {
        transpose_4x4(from + r * from_row + j, from_row, to + j * rows + r, rows);
      }
    }
  }
  for (; j < count; ++j) {
    for (Index r = 0; r < rows; ++r) to[j * rows + r] = from[r * from_row + j];
  }
}
