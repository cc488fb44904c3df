// Rows of 16-bit elements to and from float32, for what has no kernel of its own for them.

template <class T>
static void widen_row(float* to, const void* from, Index step, Index count) {
  copy_strided(to, static_cast<const T*>(from), step, count);
}

template <class T>
static void narrow_row(void* to, Index step, const float* from, Index count) {
  T* row = static_cast<T*>(to);
  if (step == 1) {
    copy_strided(row, from, 1, count);
    return;
  }
  constexpr Index W = Vec<T>::width;
  for (Index i = 0; i < count; i += W) {
    T lanes[W];
    const int n = static_cast<int>(smaller(W, count - i));
    Vec<T>::store(lanes, Vec<float>::load_first(from + i, n));
    for (int e = 0; e < n; ++e) row[(i + e) * step] = lanes[e];
  }
}
