// Activations over whole arrays, and their gradients.
#pragma once

#include <fastconv/problem.h>

namespace fastconv {

// to[i] = f(x[i]), f(x[i] + addend[i]) where `addend` is not null, or grad[i] f'(x[i]) where `grad`
// is not null; arrays without gaps.
struct ActivationArrays {
  const void* x;
  const void* addend;
  const void* grad;
  void* to;
};
void run_activation(DType dtype, Activation activation, Index count,
                    const ActivationArrays& arrays);

}  // namespace fastconv
