// Activations over whole arrays, and their gradients.
#pragma once

#include <fastconv/problem.h>

namespace fastconv {

// to[i] = f(x[i]), or grad[i] f'(x[i]) where `grad` is not null; arrays without gaps.
void run_activation(DType dtype, Activation activation, Index count, const void* x,
                    const void* grad, void* to);

}  // namespace fastconv
