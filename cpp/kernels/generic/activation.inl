// Activations of one vector, applied by kernels just before the store.
//
// Relu and its relatives are a compare and a blend each. The smooth ones rest on two functions:
//   exp(x) for x <= 0: x = n ln2 + r with |r| <= ln2/2, a polynomial in r, then two scalings by
//   half
//     of n each, so that subnormal results come out rounded once and nothing overflows;
//   exp(z^2) erfc(z) (1+2z): a smooth, bounded function of u = (z-k)/(z+k), a polynomial in u
//     (Shepherd and Laframboise, Math. Comp. 36, 1981). gelu needs it because x*(1+erf)/2 loses all
//     digits of its lower tail to cancellation.
// Polynomial coefficients are Chebyshev fits made at 40 digits; the fit errs less than half an ulp
// of the element type. Constants of ln2 are split so that n*high is exact without a fused multiply.
//
// The heavy part is kept out of line: a kernel has one copy, and its main loop keeps its registers.
// It loses against a table or a lower degree where fewer digits would do.

template <class T, class First>
static inline typename Vec<T>::Reg polynomial(typename Vec<T>::Reg, First c0) {
  return Vec<T>::set(c0);
}

// c0 + c1 x + c2 x^2 + ... by Horner's rule.
template <class T, class First, class... Rest>
static inline typename Vec<T>::Reg polynomial(typename Vec<T>::Reg x, First c0, Rest... rest) {
  return Vec<T>::fma(polynomial<T>(x, rest...), x, Vec<T>::set(c0));
}

template <class T>
struct SmoothConstants;

template <>
struct SmoothConstants<float> {
  using V = Vec<float>;
  static constexpr float log2e = 1.44269504f, ln2_high = 0.693145752f, ln2_low = 1.42860677e-6f;
  static constexpr float exp_zero = -104.0f;  // exp rounds to 0 from here down
  static constexpr float gelu_end = 14.5f;  // the tail of the normal distribution is 0 from here up
  static constexpr float tail_centre = 2.0f;  // k above

  // (exp(r) - 1 - r) / r^2 on |r| <= ln2/2
  static V::Reg exp_rest(V::Reg r) {
    return polynomial<float>(r, 0.5f, 0.166665763f, 0.0416665561f, 0.00836317893f, 0.0013926184f);
  }
  // (tanh(x)/x - 1) / x^2 of x^2 on |x| <= 0.625
  static V::Reg tanh_rest(V::Reg x2) {
    return polynomial<float>(x2, -0.333333284f, 0.133327693f, -0.053850878f, 0.0209970307f,
                             -0.00609649811f);
  }
  // exp(z^2) erfc(z) (1+2z) of u on 0 <= z <= 10.3
  static V::Reg tail(V::Reg u) {
    return polynomial<float>(u, 1.27697837f, -0.0927639157f, -0.166031346f, 0.164053544f,
                             -0.0542051159f, -0.00804677512f, 0.00863755774f, 0.00127791159f,
                             -0.00125057867f, -0.000367562025f, 2.4303632e-05f);
  }
};

template <>
struct SmoothConstants<double> {
  using V = Vec<double>;
  static constexpr double log2e = 1.4426950408889634, ln2_high = 6.93147180369123816490e-01,
                          ln2_low = 1.90821492927058770002e-10;
  static constexpr double exp_zero = -746.0;
  static constexpr double gelu_end = 38.8;
  static constexpr double tail_centre = 4.0;

  static V::Reg exp_rest(V::Reg r) {
    return polynomial<double>(r, 0.50000000000000011, 0.16666666666666669, 0.041666666666624129,
                              0.0083333333333300615, 0.0013888888917213717, 0.00019841269863053618,
                              2.4801521295954376e-05, 2.7557268459997064e-06,
                              2.7620088445409746e-07, 2.510038549551032e-08);
  }
  static V::Reg tanh_rest(V::Reg x2) {
    return polynomial<double>(x2, -0.3333333333333332, 0.13333333333326652, -0.053968253961389927,
                              0.021869488260359775, -0.0088632298273683668, 0.0035920589411769272,
                              -0.00145530907298215, 0.00058743642926035924, -0.00023077419359266742,
                              7.9597058877884898e-05, -1.7243530613465327e-05);
  }
  static V::Reg tail(V::Reg u) {
    return polynomial<double>(
        u, 1.2329951186255526, -0.13962111684056261, 0.015379652102606335, 0.068097054254708259,
        -0.10103906603558883, 0.093732834997800107, -0.066330365827194052, 0.03716751554495891,
        -0.016197733896081708, 0.0050319699333652435, -0.00075777431195368805,
        -0.00019925661348791846, 0.00015062572040252812, -2.4398824898573882e-05,
        -1.1232269801279568e-05, 5.7071450402890541e-06, 3.1031025661972928e-07,
        -8.189831956867985e-07, 5.8454934619448411e-08, 1.0181275012136232e-07,
        -9.297814102078907e-09, -8.8511592234498892e-09);
  }
};

// exp(x) for x <= 0, not NaN; 0 for minus infinity.
template <class T>
static inline typename Vec<T>::Reg exp_nonpositive(typename Vec<T>::Reg x) {
  using V = Vec<T>;
  using C = SmoothConstants<T>;
  x = V::max(x, V::set(C::exp_zero));
  const typename V::Reg n = V::round(V::mul(x, V::set(C::log2e)));
  typename V::Reg r = V::fma(n, V::set(-C::ln2_high), x);
  r = V::fma(n, V::set(-C::ln2_low), r);
  const typename V::Reg mantissa = V::add(V::set(T(1)), V::fma(V::mul(r, r), C::exp_rest(r), r));
  const typename V::Reg half = V::round(V::mul(n, V::set(T(0.5))));
  return V::scale(V::scale(mantissa, half), V::sub(n, half));
}

// 1/(1+exp(-x)), through exp(-|x|) so that both tails keep their digits.
template <class T>
static inline typename Vec<T>::Reg sigmoid(typename Vec<T>::Reg x) {
  using V = Vec<T>;
  const typename V::Reg zero = V::zero(), one = V::set(T(1));
  const typename V::Reg number = V::nan_select(x, zero, x);
  const typename V::Reg e = exp_nonpositive<T>(V::sub(zero, V::abs(number)));
  const typename V::Reg y = V::div(V::less_select(number, zero, e, one), V::add(one, e));
  return V::nan_select(x, x, y);
}

template <class T>
static inline typename Vec<T>::Reg hyperbolic_tangent(typename Vec<T>::Reg x) {
  using V = Vec<T>;
  using C = SmoothConstants<T>;
  const typename V::Reg zero = V::zero(), one = V::set(T(1));
  const typename V::Reg number = V::nan_select(x, zero, x);
  // tanh is 1 to the last bit from 20 up; the cut keeps 2x and x^2 finite.
  const typename V::Reg size = V::min(V::abs(number), V::set(T(20)));
  const typename V::Reg e = exp_nonpositive<T>(V::mul(V::set(T(-2)), size));
  const typename V::Reg large = V::div(V::sub(one, e), V::add(one, e));
  const typename V::Reg square = V::mul(size, size);
  const typename V::Reg small = V::fma(V::mul(square, C::tanh_rest(square)), size, size);
  const typename V::Reg y = V::less_select(size, V::set(T(0.625)), small, large);
  return V::nan_select(x, x, V::less_select(number, zero, V::sub(zero, y), y));
}

// The normal distribution Phi(x), and exp(-x^2/2).
template <class T>
struct Normal {
  typename Vec<T>::Reg cumulative, bell;
};

template <class T>
static inline Normal<T> normal(typename Vec<T>::Reg x) {
  using V = Vec<T>;
  using C = SmoothConstants<T>;
  const typename V::Reg zero = V::zero(), one = V::set(T(1));
  const typename V::Reg size = V::min(V::abs(V::nan_select(x, zero, x)), V::set(C::gelu_end));
  // exp(-x^2/2), corrected for the rounding of x^2. With x split at a sixteenth, the square of the
  // high part is exact, so this needs no fused multiply.
  const typename V::Reg high = V::mul(V::round(V::mul(size, V::set(T(16)))), V::set(T(0.0625)));
  const typename V::Reg exact = V::mul(high, high);
  const typename V::Reg rest = V::mul(V::sub(size, high), V::add(size, high));
  const typename V::Reg square = V::add(exact, rest);
  const typename V::Reg lost = V::add(V::sub(exact, square), rest);
  const typename V::Reg e = exp_nonpositive<T>(V::mul(square, V::set(T(-0.5))));
  const typename V::Reg bell = V::fma(e, V::mul(lost, V::set(T(-0.5))), e);
  const typename V::Reg z = V::mul(size, V::set(T(0.70710678118654752)));
  const typename V::Reg k = V::set(C::tail_centre);
  const typename V::Reg u = V::div(V::sub(z, k), V::add(z, k));
  const typename V::Reg weight = V::div(C::tail(u), V::fma(z, V::set(T(4)), V::set(T(2))));
  const typename V::Reg tail = V::mul(bell, weight);
  return {V::less_select(x, zero, tail, V::sub(one, tail)), bell};
}

// x Phi(x): the exact form that torch calls approximate="none".
template <class T>
static inline typename Vec<T>::Reg gelu(typename Vec<T>::Reg x) {
  return Vec<T>::mul(x, normal<T>(x).cumulative);
}

template <class T>
[[gnu::noinline]] static typename Vec<T>::Reg activate_smooth(typename Vec<T>::Reg v,
                                                              Activation activation) {
  switch (activation) {
    case Activation::sigmoid:
      return sigmoid<T>(v);
    case Activation::tanh:
      return hyperbolic_tangent<T>(v);
    case Activation::silu:
      return Vec<T>::mul(v, sigmoid<T>(v));
    default:
      return gelu<T>(v);
  }
}

// The activation of every element. NaN stays NaN; gelu, silu and hardswish of minus infinity are
// NaN, as in torch.
template <class T>
static inline typename Vec<T>::Reg activate(typename Vec<T>::Reg v, Activation activation) {
  using V = Vec<T>;
  const typename V::Reg zero = V::zero(), six = V::set(T(6));
  switch (activation) {
    case Activation::none:
      return v;
    case Activation::relu:
      return V::less_select(v, zero, zero, v);
    case Activation::relu6:
      return V::less_select(six, v, six, V::less_select(v, zero, zero, v));
    case Activation::leaky_relu:
      return V::less_select(v, zero, V::mul(v, V::set(T(0.01))), v);
    case Activation::hardswish: {
      const typename V::Reg ramp = V::add(v, V::set(T(3)));
      const typename V::Reg cut = V::less_select(ramp, zero, zero, V::min(ramp, six));
      return V::mul(v, V::div(cut, six));
    }
    default:
      return activate_smooth<T>(v, activation);
  }
}
