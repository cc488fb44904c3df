// Activations, of arrays or of sums of two, and their gradients, over whole arrays without gaps.
//
// A task is a block of elements; a vector is loaded, computed with in registers (activation.inl)
// and stored. Where derivatives are products like s(1-s), they are computed from exp(-|x|), so both
// tails keep their digits, which 1-s would lose.

// The derivative at x, times the gradient g. At the corners of relu and its relatives it is that of
// the flat side, as in torch; of NaN it is g where the function is piecewise linear (leaky_relu:
// the lower slope).
template <class T>
static inline typename Vec<T>::Reg activation_slope(typename Vec<T>::Reg g, typename Vec<T>::Reg x,
                                                    Activation activation) {
  using V = Vec<T>;
  const typename V::Reg zero = V::zero(), one = V::set(T(1));
  // exp(-|x|) / (1 + exp(-|x|))^2 = s(1-s)
  const auto sigmoid_slope = [&](typename V::Reg at) {
    const typename V::Reg number = V::nan_select(at, zero, at);
    const typename V::Reg e = exp_nonpositive<T>(V::sub(zero, V::abs(number)));
    const typename V::Reg sum = V::add(one, e);
    return V::nan_select(at, at, V::div(V::div(e, sum), sum));
  };
  switch (activation) {
    case Activation::none:
      return g;
    case Activation::relu:
      return V::nan_select(x, g, V::less_select(zero, x, g, zero));
    case Activation::relu6:
      return V::nan_select(x, g,
                           V::less_select(zero, x, V::less_select(x, V::set(T(6)), g, zero), zero));
    case Activation::leaky_relu:
      return V::less_select(zero, x, g, V::mul(g, V::set(T(0.01))));
    case Activation::hardswish: {
      const typename V::Reg ramp = V::add(V::div(x, V::set(T(3))), V::set(T(0.5)));
      const typename V::Reg inner = V::less_select(x, V::set(T(3)), V::mul(g, ramp), g);
      return V::nan_select(x, g, V::less_select(V::set(T(-3)), x, inner, zero));
    }
    case Activation::sigmoid:
      return V::mul(g, sigmoid_slope(x));
    case Activation::tanh:  // tanh'(x) = 4 s(1-s) at 2x
      return V::mul(g, V::mul(V::set(T(4)), sigmoid_slope(V::add(x, x))));
    case Activation::silu:
      return V::mul(g, V::fma(x, sigmoid_slope(x), sigmoid<T>(x)));
    case Activation::gelu: {
      const Normal<T> n = normal<T>(x);
      const typename V::Reg density = V::mul(n.bell, V::set(T(0.39894228040143267794)));
      const typename V::Reg slope = V::fma(x, density, n.cumulative);
      return V::nan_select(x, x, V::mul(g, slope));
    }
  }
  return g;
}

template <class T>
static void activation_rows(const void* context, Index begin, Index end, std::byte*) {
  using A = Acc<T>;
  using Va = Vec<A>;
  const ActivationJob& job = *static_cast<const ActivationJob*>(context);
  const T* x = static_cast<const T*>(job.x);
  const T* addend = static_cast<const T*>(job.addend);
  const T* grad = static_cast<const T*>(job.grad);
  T* to = static_cast<T*>(job.to);
  const Index last = smaller(job.count, end * kActivationBlock);
  for (Index i = begin * kActivationBlock; i < last; i += Va::width) {
    const int n = static_cast<int>(smaller(Va::width, last - i));
    typename Va::Reg value = Vec<T>::load_first(x + i, n);
    if (addend != nullptr) value = Va::add(value, Vec<T>::load_first(addend + i, n));
    const typename Va::Reg result =
        grad == nullptr
            ? activate<A>(value, job.activation)
            : activation_slope<A>(Vec<T>::load_first(grad + i, n), value, job.activation);
    Vec<T>::store_first(to + i, result, n);
  }
}
