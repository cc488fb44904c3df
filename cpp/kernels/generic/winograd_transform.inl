// Winograd's minimal filtering F(M, R) along one axis, over vectors of channels.
//
//   y = A^T [ (G w) * (B^T x) ]: M outputs from M+R-1 inputs and R weights, M+R-1 products, not RM.
//
// F(2, 3) and F(3, 2) interpolate at 0, 1, -1 and infinity: whole numbers and halves, so that small
// integers stay exact. F(4, 3) and F(2, 5) interpolate at 0, +-sqrt(2), +-1/sqrt(2) and infinity:
// the products of neighbouring points and their squares are whole or halves, so B^T needs 12
// operations for 6 vectors, and errors are about a third of those with the usual points 0, +-1, +-2
// (Barabasz et al., ACM Trans. Math. Softw. 46, 2020, on the choice of points). F(1, R) is the
// identity: the axis of a kernel of 1.
//
// The same products give the gradient of the weights, w' = G^T [ (A y') * (B^T x) ], because the
// sum is bilinear: Winograd's algorithm for M weights and 3 outputs.
//
// Even and odd powers are shared by a point and its negative. Two-dimensional transforms apply
// these to columns, then to rows.

// B^T, which depends on the points alone.
template <class T, int Points>
struct WinogradPoints;

template <class T>
struct WinogradPoints<T, 1> {
  using Reg = typename Vec<T>::Reg;
  static constexpr int points = 1;
  static inline void input(const Reg* x, Reg* v) { v[0] = x[0]; }
};

template <class T>
struct WinogradPoints<T, 4> {
  using Vt = Vec<T>;
  using Reg = typename Vt::Reg;
  static constexpr int points = 4;
  static inline void input(const Reg* x, Reg* v) {
    v[0] = Vt::sub(x[0], x[2]);
    v[1] = Vt::add(x[1], x[2]);
    v[2] = Vt::sub(x[2], x[1]);
    v[3] = Vt::sub(x[3], x[1]);
  }
};

template <class T>
struct WinogradPoints<T, 6> {
  using Vt = Vec<T>;
  using Reg = typename Vt::Reg;
  static constexpr int points = 6;
  static constexpr T root2 = T(1.41421356237309504880), root_half = T(0.70710678118654752440);

  static inline void input(const Reg* x, Reg* v) {
    const Reg a = Vt::set(root2), b = Vt::set(root_half);
    const Reg minus_a = Vt::set(-root2), minus_b = Vt::set(-root_half);
    const Reg minus_half = Vt::set(T(-0.5)), minus_two = Vt::set(T(-2));
    const Reg minus_five_halves = Vt::set(T(-2.5));
    const Reg even_a = Vt::fma(x[2], minus_half, x[4]), odd_a = Vt::fma(x[1], minus_half, x[3]);
    const Reg even_b = Vt::fma(x[2], minus_two, x[4]), odd_b = Vt::fma(x[1], minus_two, x[3]);
    v[0] = Vt::fma(x[2], minus_five_halves, Vt::add(x[0], x[4]));
    v[1] = Vt::fma(odd_a, a, even_a);
    v[2] = Vt::fma(odd_a, minus_a, even_a);
    v[3] = Vt::fma(odd_b, b, even_b);
    v[4] = Vt::fma(odd_b, minus_b, even_b);
    v[5] = Vt::fma(x[3], minus_five_halves, Vt::add(x[1], x[5]));
  }
};

template <class T, int M, int R>
struct Winograd;

template <class T, int R>
struct Winograd<T, 1, R> : WinogradPoints<T, 1> {
  using Reg = typename Vec<T>::Reg;
  static constexpr int outputs = 1, taps = 1;
  static inline void weight(const Reg* w, Reg* u) { u[0] = w[0]; }
  static inline void output(const Reg* m, Reg* y) { y[0] = m[0]; }
  static inline void output_gradient(const Reg* y, Reg* m) { m[0] = y[0]; }
  static inline void weight_gradient(const Reg* m, Reg* w) { w[0] = m[0]; }
};

template <class T>
struct Winograd<T, 3, 2> : WinogradPoints<T, 4> {
  using Vt = Vec<T>;
  using Reg = typename Vt::Reg;
  static constexpr int outputs = 3, taps = 2;

  static inline void weight(const Reg* w, Reg* u) {
    const Reg half = Vt::set(T(0.5));
    const Reg even = Vt::mul(w[0], half), odd = Vt::mul(w[1], half);
    u[0] = w[0];
    u[1] = Vt::add(even, odd);
    u[2] = Vt::sub(even, odd);
    u[3] = w[1];
  }
  static inline void output(const Reg* m, Reg* y) {
    const Reg sum = Vt::add(m[1], m[2]);
    y[0] = Vt::add(m[0], sum);
    y[1] = Vt::sub(m[1], m[2]);
    y[2] = Vt::add(sum, m[3]);
  }
};

template <class T>
struct Winograd<T, 2, 3> : WinogradPoints<T, 4> {
  using Vt = Vec<T>;
  using Reg = typename Vt::Reg;
  static constexpr int outputs = 2, taps = 3;

  static inline void weight(const Reg* w, Reg* u) {
    const Reg half = Vt::set(T(0.5));
    const Reg even = Vt::mul(Vt::add(w[0], w[2]), half), odd = Vt::mul(w[1], half);
    u[0] = w[0];
    u[1] = Vt::add(even, odd);
    u[2] = Vt::sub(even, odd);
    u[3] = w[2];
  }
  static inline void output(const Reg* m, Reg* y) {
    y[0] = Vt::add(m[0], Vt::add(m[1], m[2]));
    y[1] = Vt::add(Vt::sub(m[1], m[2]), m[3]);
  }
  static inline void output_gradient(const Reg* y, Reg* m) {
    m[0] = y[0];
    m[1] = Vt::add(y[0], y[1]);
    m[2] = Vt::sub(y[0], y[1]);
    m[3] = y[1];
  }
  static inline void weight_gradient(const Reg* m, Reg* w) {
    const Reg half = Vt::set(T(0.5));
    const Reg even = Vt::mul(Vt::add(m[1], m[2]), half);
    w[0] = Vt::add(m[0], even);
    w[1] = Vt::mul(Vt::sub(m[1], m[2]), half);
    w[2] = Vt::add(even, m[3]);
  }
};

template <class T>
struct Winograd<T, 2, 5> : WinogradPoints<T, 6> {
  using Vt = Vec<T>;
  using Reg = typename Vt::Reg;
  using WinogradPoints<T, 6>::root2, WinogradPoints<T, 6>::root_half;
  static constexpr int outputs = 2, taps = 5;

  static inline void weight(const Reg* w, Reg* u) {
    const Reg sixth = Vt::set(T(1.0 / 6)), minus_two_thirds = Vt::set(T(-2.0 / 3));
    const Reg two = Vt::set(T(2)), half = Vt::set(T(0.5));
    const Reg even_a = Vt::mul(Vt::fma(Vt::fma(w[4], two, w[2]), two, w[0]), sixth);
    const Reg even_b = Vt::mul(Vt::fma(Vt::fma(w[4], half, w[2]), half, w[0]), minus_two_thirds);
    const Reg odd_a = Vt::mul(Vt::fma(w[3], two, w[1]), Vt::set(root2 / 6));
    const Reg odd_b = Vt::mul(Vt::fma(w[3], half, w[1]), Vt::set(root_half * -2 / 3));
    u[0] = w[0];
    u[1] = Vt::add(even_a, odd_a);
    u[2] = Vt::sub(even_a, odd_a);
    u[3] = Vt::add(even_b, odd_b);
    u[4] = Vt::sub(even_b, odd_b);
    u[5] = w[4];
  }
  static inline void output(const Reg* m, Reg* y) {
    const Reg odd_a = Vt::sub(m[1], m[2]), odd_b = Vt::sub(m[3], m[4]);
    y[0] = Vt::add(m[0], Vt::add(Vt::add(m[1], m[2]), Vt::add(m[3], m[4])));
    y[1] = Vt::fma(odd_b, Vt::set(root_half), Vt::fma(odd_a, Vt::set(root2), m[5]));
  }
};

template <class T>
struct Winograd<T, 4, 3> : WinogradPoints<T, 6> {
  using Vt = Vec<T>;
  using Reg = typename Vt::Reg;
  using WinogradPoints<T, 6>::root2, WinogradPoints<T, 6>::root_half;
  static constexpr int outputs = 4, taps = 3;

  static inline void weight(const Reg* w, Reg* u) {
    const Reg sixth = Vt::set(T(1.0 / 6)), minus_two_thirds = Vt::set(T(-2.0 / 3));
    const Reg even_a = Vt::mul(Vt::fma(w[2], Vt::set(T(2)), w[0]), sixth);
    const Reg even_b = Vt::mul(Vt::fma(w[2], Vt::set(T(0.5)), w[0]), minus_two_thirds);
    const Reg a = Vt::set(T(1.41421356237309504880 / 6));
    const Reg b = Vt::set(T(0.70710678118654752440 * -2 / 3));
    const Reg minus_a = Vt::set(T(-1.41421356237309504880 / 6));
    const Reg minus_b = Vt::set(T(0.70710678118654752440 * 2 / 3));
    u[0] = w[0];
    u[1] = Vt::fma(w[1], a, even_a);
    u[2] = Vt::fma(w[1], minus_a, even_a);
    u[3] = Vt::fma(w[1], b, even_b);
    u[4] = Vt::fma(w[1], minus_b, even_b);
    u[5] = w[2];
  }
  static inline void output(const Reg* m, Reg* y) {
    const Reg sum_a = Vt::add(m[1], m[2]), odd_a = Vt::sub(m[1], m[2]);
    const Reg sum_b = Vt::add(m[3], m[4]), odd_b = Vt::sub(m[3], m[4]);
    y[0] = Vt::add(m[0], Vt::add(sum_a, sum_b));
    y[1] = Vt::fma(odd_b, Vt::set(root_half), Vt::mul(odd_a, Vt::set(root2)));
    y[2] = Vt::fma(sum_b, Vt::set(T(0.5)), Vt::add(sum_a, sum_a));
    y[3] = Vt::fma(odd_b, Vt::set(root_half / 2), Vt::fma(odd_a, Vt::set(root2 * 2), m[5]));
  }
  static inline void output_gradient(const Reg* y, Reg* m) {
    const Reg even_a = Vt::fma(y[2], Vt::set(T(2)), y[0]);
    const Reg even_b = Vt::fma(y[2], Vt::set(T(0.5)), y[0]);
    const Reg odd_a = Vt::fma(y[3], Vt::set(T(2)), y[1]);
    const Reg odd_b = Vt::fma(y[3], Vt::set(T(0.5)), y[1]);
    m[0] = y[0];
    m[1] = Vt::fma(odd_a, Vt::set(root2), even_a);
    m[2] = Vt::fma(odd_a, Vt::set(-root2), even_a);
    m[3] = Vt::fma(odd_b, Vt::set(root_half), even_b);
    m[4] = Vt::fma(odd_b, Vt::set(-root_half), even_b);
    m[5] = y[3];
  }
  static inline void weight_gradient(const Reg* m, Reg* w) {
    const Reg sum_a = Vt::mul(Vt::add(m[1], m[2]), Vt::set(T(1.0 / 6)));
    const Reg sum_b = Vt::mul(Vt::add(m[3], m[4]), Vt::set(T(-2.0 / 3)));
    const Reg odd_a = Vt::sub(m[1], m[2]), odd_b = Vt::sub(m[3], m[4]);
    w[0] = Vt::add(m[0], Vt::add(sum_a, sum_b));
    w[1] = Vt::fma(odd_a, Vt::set(root2 / 6), Vt::mul(odd_b, Vt::set(root_half * -2 / 3)));
    w[2] = Vt::fma(sum_a, Vt::set(T(2)), Vt::fma(sum_b, Vt::set(T(0.5)), m[5]));
  }
};

// What becomes of a strip along one axis: B^T of inputs, A of the gradients of outputs.
template <class T, int Points>
struct WinogradInputs {
  static constexpr int from = Points, to = from;
  static inline void map(const typename Vec<T>::Reg* x, typename Vec<T>::Reg* v) {
    WinogradPoints<T, Points>::input(x, v);
  }
};

template <class T, int M>
struct WinogradGradients {
  static constexpr int from = M, to = Winograd<T, M, 3>::points;
  static inline void map(const typename Vec<T>::Reg* y, typename Vec<T>::Reg* m) {
    Winograd<T, M, 3>::output_gradient(y, m);
  }
};

// Calls visit(rows, columns) with the transforms of a problem for tiles of MH x MW, as types.
template <class T, int MH, int MW, class Visit>
static inline void with_winograd(const WinogradGrid& grid, Visit visit) {
  const auto with_taps = [&](auto taps) {
    constexpr int R = decltype(taps)::value;
    if (grid.m[0] == 1) {
      visit(Winograd<T, 1, R>{}, Winograd<T, MW, R>{});
    } else if (grid.m[1] == 1) {
      visit(Winograd<T, MH, R>{}, Winograd<T, 1, R>{});
    } else {
      visit(Winograd<T, MH, R>{}, Winograd<T, MW, R>{});
    }
  };
  if constexpr (MH == 3) {
    with_taps(std::integral_constant<int, 2>{});
  } else if constexpr (MH == 2) {
    if (grid.taps == 5) {
      with_taps(std::integral_constant<int, 5>{});
    } else {
      with_taps(std::integral_constant<int, 3>{});
    }
  } else {
    with_taps(std::integral_constant<int, 3>{});
  }
}
