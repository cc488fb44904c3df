// Passes over whole arrays that training needs beside gradients: batch normalisation and descent.
#pragma once

#include <fastconv/problem.h>

namespace fastconv {

// Of each channel of x (batch, channels, inner), with d = x - centre and f = grad, or d without:
// the sum of f, and that of f d.
struct ChannelProducts {
  Index batch, channels, inner;
  const void* x;
  const void* grad;  // null without
  const double* centre;
  double* sums;
  double* products;
};

// y = a x + b z + shift, with one a, b and shift for each channel; without z where that is null.
struct ChannelAffine {
  Index batch, channels, inner;
  const void* x;
  const void* z;
  const double* a;
  const double* b;
  const double* shift;
  void* y;
};

// g = grad + decay weight; velocity = momentum velocity + share g, or g in the first step; weight
// moves by -rate times velocity, g + momentum velocity (nesterov), or g where velocity is null.
struct Descent {
  Index count;
  void* weight;
  void* velocity;
  const void* grad;
  double rate, momentum, share, decay;
  bool nesterov, first;
};

void run_channel_products(DType dtype, const ChannelProducts& job);
void run_channel_affine(DType dtype, const ChannelAffine& job);
void run_descent(DType dtype, const Descent& job);

}  // namespace fastconv
