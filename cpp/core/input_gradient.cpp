#include <cstring>

#include "core/gradient.h"

namespace fastconv {
namespace {

// Padding of one axis that cuts off instead of adding where it is negative.
struct Border {
  Index pad, cut;
};

Border border(Index padding) {
  return {larger(0, padding), larger(0, -padding)};
}

// Sets one axis of the input of `g` to the gradient, with this much before and after.
void set_axis(InputGradient& g, int a, Index size, Index before, Index after, Index step) {
  const Border lo = border(before), hi = border(after);
  g.problem.in[a] = size - lo.cut - hi.cut;
  g.problem.pad_lo[a] = lo.pad;
  g.problem.pad_hi[a] = hi.pad;
  g.grad_offset += lo.cut * step;
  g.zero = g.zero || g.problem.in[a] < 1;
}

// With stride 1: a convolution with the kernel turned round, D*(K-1) - P around the gradient. The
// first axis of its weights runs over all input channels, which are a fixed step apart only where
// there is one group or one channel in each.
bool turns_kernel(const ConvProblem& p) {
  return p.stride.product() == 1 && (p.groups == 1 || p.group_in() == 1);
}

}  // namespace

InputGradient input_gradient(const ConvProblem& p, const Strides& gradient) {
  InputGradient g{p};
  ConvProblem& q = g.problem;
  q.has_bias = false;
  q.activation = Activation::none;
  q.in_channels = p.out_channels;
  q.out_channels = p.in_channels;
  q.in = p.out;
  q.out = p.in;
  q.x = p.y;
  q.y = gradient;
  q.output_padding = {{0, 0, 0}};
  if (p.transposed) {
    // Windows of the convolution end where the transposed one's inputs do: what output_padding
    // added lies behind.
    q.transposed = false;
    for (int a = 0; a < kAxes; ++a) {
      set_axis(g, a, p.out[a], p.pad_lo[a], p.pad_hi[a] - p.output_padding[a], p.y.spatial[a]);
    }
    return g;
  }
  if (!turns_kernel(p)) {
    q.transposed = true;
    for (int a = 0; a < kAxes; ++a) {
      q.output_padding[a] =
          p.in[a] - transposed_output_size(p.out[a], p.kernel[a], p.stride[a], p.dilation[a],
                                           p.pad_lo[a], p.pad_hi[a], 0);
    }
    return g;
  }
  q.w.batch = p.groups == 1 ? p.w.channel : p.group_out() * p.w.batch;
  q.w.channel = p.w.batch;
  for (int a = 0; a < kAxes; ++a) {
    g.weight_offset += (p.kernel[a] - 1) * p.w.spatial[a];
    q.w.spatial[a] = -p.w.spatial[a];
    const Index reach = p.dilation[a] * (p.kernel[a] - 1);
    set_axis(g, a, p.out[a], reach - p.pad_lo[a], reach - p.pad_hi[a], p.y.spatial[a]);
  }
  return g;
}

namespace {

void fill_with_zeros(const ConvProblem& p, const Strides& s, std::byte* to) {
  const auto element = static_cast<std::size_t>(element_size(p.dtype));
  for (Index n = 0; n < p.batch; ++n) {
    for (Index c = 0; c < p.in_channels; ++c) {
      for (Index z = 0; z < p.in[0]; ++z) {
        for (Index y = 0; y < p.in[1]; ++y) {
          for (Index x = 0; x < p.in[2]; ++x) {
            const Index at = n * s.batch + c * s.channel + z * s.spatial[0] + y * s.spatial[1] +
                             x * s.spatial[2];
            std::memset(to + at * static_cast<Index>(element), 0, element);
          }
        }
      }
    }
  }
}

}  // namespace

Status run_input_gradient(const ConvProblem& p, const Strides& gradient, const void* grad,
                          const void* w, void* to) {
  InputGradient g = input_gradient(p, gradient);
  if (g.zero) {
    fill_with_zeros(p, gradient, static_cast<std::byte*>(to));
    return {};
  }
  const Index element = element_size(p.dtype);
  simplify(g.problem);
  ConvPlan plan;
  if (Status status = plan_conv(g.problem, {}, plan); !status.ok()) return status;
  return run_conv(g.problem, plan,
                  {static_cast<const std::byte*>(grad) + g.grad_offset * element,
                   static_cast<const std::byte*>(w) + g.weight_offset * element, nullptr, to});
}

}  // namespace fastconv
