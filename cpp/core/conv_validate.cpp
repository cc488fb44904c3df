#include <fastconv/fastconv.h>

#include <string>

#include "core/names.h"

namespace fastconv {
namespace {

__extension__ using Wide = __int128;  // products of sizes need more than 64 bits

constexpr Index kMostSize = Index{1} << 40;  // elements along one axis
constexpr Index kMostStep = Index{1} << 31;  // stride, dilation, padding
constexpr Wide kMostBytes = Wide{1} << 47;   // what a process can address

std::string axes_text(const Axes& a, int rank) {
  std::string text = "(";
  for (int i = kAxes - rank; i < kAxes; ++i) {
    if (i > kAxes - rank) text += ", ";
    text += std::to_string(a[i]);
  }
  return text + (rank == 1 ? ",)" : ")");
}

Status shape_error(std::string message) {
  return Status::error(StatusCode::shape, std::move(message));
}
Status value_error(std::string message) {
  return Status::error(StatusCode::value, std::move(message));
}

Status check_channels(const ConvProblem& p) {
  if (p.batch < 0 || p.in_channels < 0 || p.out_channels < 0) {
    return shape_error("batch and channel counts must not be negative");
  }
  if (p.groups < 1) {
    return value_error("groups is " + std::to_string(p.groups) + "; it must be at least 1");
  }
  if (p.in_channels % p.groups != 0 || p.out_channels % p.groups != 0) {
    return shape_error("groups is " + std::to_string(p.groups) + ", which does not divide the " +
                       std::to_string(p.in_channels) + " input channels and " +
                       std::to_string(p.out_channels) +
                       " output channels; choose groups that divides both");
  }
  if (p.out_channels == 0) {
    return shape_error("weight has no output channels; its " +
                       std::string(p.transposed ? "second" : "first") +
                       " axis must be at least 1 long");
  }
  return {};
}

Status check_steps(const ConvProblem& p) {
  for (int a = 0; a < kAxes; ++a) {
    const struct {
      const char* name;
      const Axes& all;
      Index least;
    } steps[] = {{"stride", p.stride, 1},
                 {"dilation", p.dilation, 1},
                 {"padding", p.pad_lo, 0},
                 {"padding", p.pad_hi, 0},
                 {"output_padding", p.output_padding, 0}};
    for (const auto& step : steps) {
      if (step.all[a] < step.least || step.all[a] > kMostStep) {
        return value_error(std::string(step.name) + " is " + axes_text(step.all, p.rank) +
                           "; each value must be from " + std::to_string(step.least) + " to " +
                           std::to_string(kMostStep));
      }
    }
    if (p.transposed && p.output_padding[a] >= larger(p.stride[a], p.dilation[a])) {
      return value_error("output_padding is " + axes_text(p.output_padding, p.rank) +
                         "; each value must be smaller than the stride " +
                         axes_text(p.stride, p.rank) + " or the dilation " +
                         axes_text(p.dilation, p.rank));
    }
  }
  return {};
}

Wide wide_extent(const ConvProblem& p, int a) {
  return Wide{p.dilation[a]} * (p.kernel[a] - 1) + 1;
}

// As in geometry.h, but for sizes that have not been checked: what no memory holds stays too large
// or too small instead of wrapping around.
Index output_size(const ConvProblem& p, int a) {
  const Wide padding = Wide{p.pad_lo[a]} + p.pad_hi[a], stride = larger(1, p.stride[a]);
  Wide size = 0;
  if (p.transposed) {
    size = (Wide{p.in[a]} - 1) * stride - padding + wide_extent(p, a) + p.output_padding[a];
  } else {
    const Wide room = p.in[a] + padding - wide_extent(p, a);
    // Division of 128-bit numbers is a slow function call.
    if (room > -kMostBytes && room < kMostBytes) {
      return floor_div(static_cast<Index>(room), static_cast<Index>(stride)) + 1;
    }
    size = room < 0 ? (room - stride + 1) / stride + 1 : room / stride + 1;
  }
  const Wide most = kMostBytes;
  return static_cast<Index>(size > most ? most : size < -most ? -most : size);
}

Status check_sizes(const ConvProblem& p) {
  for (int a = kAxes - p.rank; a < kAxes; ++a) {
    if (p.kernel[a] < 1) {
      return shape_error("weight has the kernel " + axes_text(p.kernel, p.rank) +
                         "; each kernel size must be at least 1");
    }
    if (p.kernel[a] > kMostSize) {
      return Status::error(StatusCode::memory, "weight has the kernel " +
                                                   axes_text(p.kernel, p.rank) +
                                                   ", which is more than memory can hold");
    }
    if (p.in[a] < 0 || p.in[a] > kMostSize) {
      return Status::error(StatusCode::memory, "x has the spatial size " + axes_text(p.in, p.rank) +
                                                   ", which is more than memory can hold");
    }
    const Wide extent = wide_extent(p, a);
    if (extent > kMostSize * 4) {
      return shape_error("dilation " + axes_text(p.dilation, p.rank) + " spreads the kernel " +
                         axes_text(p.kernel, p.rank) +
                         " over more elements than an input can have; use a smaller dilation");
    }
    const Index padded = p.in[a] + p.pad_lo[a] + p.pad_hi[a];
    if (!p.transposed && extent > padded) {
      return shape_error(
          "kernel " + axes_text(p.kernel, p.rank) + " with dilation " +
          axes_text(p.dilation, p.rank) + " covers " + std::to_string(static_cast<Index>(extent)) +
          " elements, more than the padded input of " + std::to_string(padded) + " (input " +
          axes_text(p.in, p.rank) + "); use a smaller kernel or dilation, or more padding");
    }
    if (p.transposed && (p.in[a] < 1 || p.out[a] < 1)) {
      return shape_error("a transposed convolution of the input " + axes_text(p.in, p.rank) +
                         " gives the output " + axes_text(p.out, p.rank) +
                         "; every axis must be at least 1: use less padding or a larger input");
    }
    if (!p.transposed && p.in[a] < 1) {
      return shape_error("x has the spatial size " + axes_text(p.in, p.rank) +
                         "; every spatial axis must be at least 1 long");
    }
    const Index expected = output_size(p, a);
    if (p.out[a] != expected) {
      return shape_error("output has the spatial size " + axes_text(p.out, p.rank) +
                         "; this problem gives " + std::to_string(expected) + " on axis " +
                         std::to_string(a - (kAxes - p.rank)));
    }
  }
  return {};
}

// Element counts of whole tensors, as if they were stored without gaps.
Status check_totals(const ConvProblem& p) {
  const auto bytes = [&](std::initializer_list<Index> sizes) {
    Wide total = 8;
    for (const Index size : sizes) {
      total = total > kMostBytes ? total : total * larger(size, 1);
    }
    return total;
  };
  const Axes &i = p.in, &o = p.out, &k = p.kernel;
  if (bytes({p.batch, p.in_channels, i[0], i[1], i[2]}) > kMostBytes ||
      bytes({p.batch, p.out_channels, o[0], o[1], o[2]}) > kMostBytes ||
      bytes({p.out_channels, p.group_in(), k[0], k[1], k[2]}) > kMostBytes) {
    return Status::error(StatusCode::memory,
                         "the output " + std::to_string(p.batch) + " x " +
                             std::to_string(p.out_channels) + " x " + axes_text(o, p.rank) +
                             " or an input has more elements than memory can hold");
  }
  return {};
}

}  // namespace

Status validate(const ConvProblem& p) {
  if (p.rank < 1 || p.rank > kAxes) return shape_error("a convolution has 1 to 3 spatial axes");
  for (const auto check : {check_channels, check_steps, check_sizes, check_totals}) {
    if (Status status = check(p); !status.ok()) return status;
  }
  const bool continued = p.boundary != Boundary::fill || p.fill_value != 0.0;
  if (continued && p.transposed) {
    return Status::error(StatusCode::unsupported,
                         "a transposed convolution has no boundary rule but zero fill");
  }
  if (p.samples_per_pixel < 1 || p.in[2] % p.samples_per_pixel != 0) {
    return shape_error("rows must hold whole pixels");
  }
  return {};
}

void complete(ConvProblem& p) {
  for (int a = 0; a < kAxes; ++a) p.out[a] = output_size(p, a);
  // validate() says what is wrong; strides would have no meaning.
  if (smaller(p.out[0], smaller(p.out[1], p.out[2])) < 0 || !check_totals(p).ok()) return;
  const auto contiguous = [](Index channels, const Axes& size) {
    Strides s{};
    s.spatial = {{size[1] * size[2], size[2], 1}};
    s.channel = size.product();
    s.batch = channels * s.channel;
    return s;
  };
  p.x = contiguous(p.in_channels, p.in);
  p.y = contiguous(p.out_channels, p.out);
  p.w = contiguous(p.transposed ? p.group_out() : p.group_in(), p.kernel);
}

namespace {

// A transposed convolution of images of one pixel, whose outputs are the kernel's elements times
// that pixel, is a pointwise one with an output channel for each element. (Bias and widening would
// need to know the channels.)
void flatten_single_pixels(ConvProblem& p) {
  if (!p.transposed || p.in.product() != 1 || p.groups != 1 || p.has_bias || is_narrow(p.dtype)) {
    return;
  }
  Index next = 1;
  for (int a = kAxes - 1; a >= 0; --a) {
    const bool whole = p.out[a] == p.kernel[a] && p.pad_lo[a] == 0 && p.pad_hi[a] == 0 &&
                       (p.dilation[a] == 1 || p.kernel[a] == 1);
    const bool adjoin = p.kernel[a] == 1 || (p.w.spatial[a] == next && p.y.spatial[a] == next);
    if (!whole || !adjoin) return;
    next *= p.kernel[a];
  }
  if (p.out_channels > 1 && (p.w.channel != next || p.y.channel != next)) return;
  p.transposed = false;
  p.out_channels *= next;
  p.w.channel = p.w.batch;
  p.w.batch = p.y.channel = 1;
  for (int a = 0; a < kAxes; ++a) {
    p.kernel[a] = p.out[a] = p.stride[a] = p.dilation[a] = 1;
    p.output_padding[a] = 0;
  }
}

}  // namespace

void simplify(ConvProblem& p) {
  flatten_single_pixels(p);
  if (p.transposed || p.samples_per_pixel != 1 || p.kernel.product() != 1) return;
  for (int a = 0; a < kAxes; ++a) {
    if (p.stride[a] != 1 || p.pad_lo[a] != 0 || p.pad_hi[a] != 0) return;
  }
  if (p.in.product() == 1 && p.batch > 1) {
    p.in[2] = p.out[2] = p.batch;
    p.x.spatial[2] = p.x.batch;
    p.y.spatial[2] = p.y.batch;
    p.batch = 1;
    return;
  }
  for (int a = 1; a >= 0; --a) {
    const bool adjoin = p.in[a] == 1 || (p.x.spatial[a] == p.in[2] * p.x.spatial[2] &&
                                         p.y.spatial[a] == p.out[2] * p.y.spatial[2]);
    if (!adjoin) return;
    p.in[2] *= p.in[a];
    p.out[2] = p.in[2];
    p.in[a] = p.out[a] = 1;
  }
}

}  // namespace fastconv
