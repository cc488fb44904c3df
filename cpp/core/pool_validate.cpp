// What a pooling must fulfil. The messages name the arguments of the Python and C++ functions.
#include <cmath>
#include <string>

#include "core/pool.h"

namespace fastconv {
namespace {

// Sizes beyond this cannot belong to an array in memory, and sums of a few of them stay within 64
// bits.
constexpr Index kLargest = Index{1} << 60;

std::string number(Index value) {
  return std::to_string(value);
}

// "axis 0 of 2" of the axes that the caller sees.
std::string axis_text(const PoolProblem& p, int axis) {
  return "spatial axis " + number(axis - (kAxes - p.rank)) + " of " + number(p.rank);
}

Status shape_error(std::string message) {
  return Status::error(StatusCode::shape, std::move(message));
}

Status value_error(std::string message) {
  return Status::error(StatusCode::value, std::move(message));
}

Status check_range(const PoolProblem& p, int axis, const char* name, Index value, Index least) {
  if (value < least) {
    return value_error(std::string(name) + " must be at least " + number(least) + ", got " +
                       number(value) + " on " + axis_text(p, axis) + "; pass " + number(least) +
                       " or more");
  }
  if (value > kLargest) {
    return value_error(std::string(name) + " is too large, got " + number(value) + " on " +
                       axis_text(p, axis) + "; sizes must fit into memory");
  }
  return {};
}

Status check_axis(const PoolProblem& p, int a) {
  const Index in = p.in[a], kernel = p.kernel[a], dilation = p.dilation[a];
  if (Status s = check_range(p, a, "kernel_size", kernel, 1); !s.ok()) return s;
  if (Status s = check_range(p, a, "stride", p.stride[a], 1); !s.ok()) return s;
  if (Status s = check_range(p, a, "dilation", dilation, 1); !s.ok()) return s;
  if (Status s = check_range(p, a, "padding", smaller(p.pad_lo[a], p.pad_hi[a]), 0); !s.ok()) {
    return s;
  }
  if (kernel > 1 && dilation > kLargest / (kernel - 1)) {
    return value_error("kernel_size " + number(kernel) + " with dilation " + number(dilation) +
                       " covers more than any array on " + axis_text(p, a) +
                       "; use a smaller kernel_size or dilation");
  }
  const Index extent = dilated_extent(kernel, dilation);
  const Index padding = larger(p.pad_lo[a], p.pad_hi[a]);
  if (padding > extent / 2) {
    return value_error("padding must be at most half of the dilated kernel, got padding " +
                       number(padding) + " where the kernel covers " + number(extent) + " on " +
                       axis_text(p, a) + "; use at most " + number(extent / 2) +
                       " or pad the input before pooling");
  }
  const Index out =
      pool_output_size(in, kernel, p.stride[a], dilation, p.pad_lo[a], p.pad_hi[a], p.ceil_mode);
  if (out < 1) {
    return shape_error("the pooling window does not fit the input: size " + number(in) +
                       " with padding (" + number(p.pad_lo[a]) + ", " + number(p.pad_hi[a]) +
                       "), the kernel covers " + number(extent) + " on " + axis_text(p, a) +
                       "; use a smaller kernel_size or dilation, or add padding");
  }
  return {};
}

Status check_product(const Index* sizes, int count, const char* what) {
  Index total = 1;
  for (int i = 0; i < count; ++i) {
    if (sizes[i] != 0 && total > kLargest / 8 / sizes[i]) {
      return Status::error(StatusCode::memory,
                           std::string(what) +
                               " has more elements than memory can hold; split the input into "
                               "smaller parts");
    }
    total *= sizes[i];
    if (total == 0) return {};
  }
  return {};
}

Status check_input(const PoolProblem& p) {
  for (int a = kAxes - p.rank; a < kAxes; ++a) {
    if (p.in[a] < 1) {
      return shape_error("x must have at least one element along every spatial axis, got 0 on " +
                         axis_text(p, a) + "; pass an input that is not empty");
    }
  }
  // torch lets only the adaptive average pass without channels.
  if (p.channels < 1 && !(p.adaptive && p.kind == PoolKind::average)) {
    return shape_error(
        "x must have at least one channel, got 0; only the batch may be empty: pass an input with "
        "channels");
  }
  const Index in[] = {p.batch, p.channels, p.in[0], p.in[1], p.in[2]};
  return check_product(in, 5, "x");
}

}  // namespace

const char* pool_kind_name(PoolKind kind) {
  switch (kind) {
    case PoolKind::max:
      return "max";
    case PoolKind::min:
      return "min";
    case PoolKind::average:
      return "average";
    case PoolKind::lp:
      break;
  }
  return "lp";
}

Status infer_pool_output(PoolProblem& p) {
  if (Status s = check_input(p); !s.ok()) return s;
  for (int a = 0; a < kAxes; ++a) {
    if (Status s = check_axis(p, a); !s.ok()) return s;
    p.out[a] = pool_output_size(p.in[a], p.kernel[a], p.stride[a], p.dilation[a], p.pad_lo[a],
                                p.pad_hi[a], p.ceil_mode);
  }
  return {};
}

Status validate(const PoolProblem& p) {
  if (Status s = check_input(p); !s.ok()) return s;
  for (int a = 0; a < kAxes; ++a) {
    if (p.adaptive) {
      if (p.out[a] < 0) {
        return value_error("output_size must be at least 0, got " + number(p.out[a]) + " on " +
                           axis_text(p, a) + "; pass the number of outputs along this axis");
      }
      if (p.out[a] != 0 && p.in[a] > kLargest / p.out[a]) {
        return Status::error(StatusCode::memory, "output_size " + number(p.out[a]) + " on " +
                                                     axis_text(p, a) +
                                                     " is more than memory can hold; use a smaller "
                                                     "output_size");
      }
      continue;
    }
    if (Status s = check_axis(p, a); !s.ok()) return s;
    const Index out = pool_output_size(p.in[a], p.kernel[a], p.stride[a], p.dilation[a],
                                       p.pad_lo[a], p.pad_hi[a], p.ceil_mode);
    if (out != p.out[a]) {
      return shape_error("the output must have size " + number(out) + ", got " + number(p.out[a]) +
                         " on " + axis_text(p, a) + "; compute it with output_shape");
    }
  }
  if (p.kind == PoolKind::lp && !(p.norm > 0.0 && std::isfinite(p.norm))) {
    return value_error("norm_type must be finite and greater than 0, got " +
                       std::to_string(p.norm) + "; use max_pool for the infinity norm");
  }
  if (p.with_indices && p.kind != PoolKind::max && p.kind != PoolKind::min) {
    return value_error(std::string("return_indices needs max or min pooling, got ") +
                       pool_kind_name(p.kind) + "; set return_indices=False");
  }
  const Index out[] = {p.batch, p.channels, p.out[0], p.out[1], p.out[2]};
  return check_product(out, 5, "the output");
}

}  // namespace fastconv
