// What is to be computed, without saying where the data is: sizes, strides, dtype, no pointers.
// A problem can be hashed, cached, printed and replayed.
//
// Every problem has three spatial axes (depth, height, width); a problem of lower rank has leading
// axes of size 1. Memory strides count elements and may be zero or negative.
#pragma once

#include <fastconv/geometry.h>

namespace fastconv {

inline constexpr int kAxes = 3;

enum class DType : int { float32 = 0, float64 = 1, float16 = 2, bfloat16 = 3 };
inline constexpr int kDTypes = 4;

// Bytes of one element.
FASTCONV_GEOMETRY Index element_size(DType dtype) {
  return dtype == DType::float64 ? 8 : dtype == DType::float32 ? 4 : 2;
}

// Bytes of what sums of elements are kept in.
FASTCONV_GEOMETRY Index accumulator_size(DType dtype) {
  return dtype == DType::float64 ? 8 : 4;
}

// Elements of 16 bits are computed with in float32 and rounded once, as results are stored.
FASTCONV_GEOMETRY bool is_narrow(DType dtype) {
  return element_size(dtype) == 2;
}

// `amx` is AVX-512 with the matrix unit (tiles of bfloat16) beside it.
enum class Isa : int { scalar = 0, avx2 = 1, avx512 = 2, neon = 3, amx = 4 };
inline constexpr int kIsas = 5;

enum class Algorithm : int { automatic = 0, direct = 1, im2col = 2, winograd = 3 };
inline constexpr int kAlgorithms = 4;

enum class Activation : int { none, relu, relu6, leaky_relu, sigmoid, tanh, silu, gelu, hardswish };
inline constexpr int kActivations = 9;

// Accuracy asked for of float32 arrays. Vector units deliver "highest" at every level.
enum class Precision : int { highest, high, medium };
inline constexpr int kPrecisions = 3;

// What lies outside the input: a constant, or the input continued.
// reflect: d c b a | a b c d | d c b a; nearest: a a | a b c | c c; wrap: c d | a b c d | a b.
enum class Boundary : int { fill, reflect, nearest, wrap };
inline constexpr int kBoundaries = 4;

struct Axes {
  Index v[kAxes];
  FASTCONV_GEOMETRY Index operator[](int axis) const { return v[axis]; }
  FASTCONV_GEOMETRY Index& operator[](int axis) { return v[axis]; }
  FASTCONV_GEOMETRY Index product() const { return v[0] * v[1] * v[2]; }
  bool operator==(const Axes&) const = default;
};

// Memory strides of a tensor, in elements. For a weight, `batch` is the stride of its first axis
// and `channel` of its second.
struct Strides {
  Index batch, channel;
  Axes spatial;
  bool operator==(const Strides&) const = default;
};

struct ConvProblem {
  DType dtype = DType::float32;
  int rank = 2;             // spatial axes that the caller sees, 1 to 3
  bool transposed = false;  // weight is (in, out/groups, ...) then, (out, in/groups, ...) otherwise
  bool has_bias = false;
  bool has_addend = false;  // an array that lies as y is added before the activation
  Activation activation = Activation::none;
  Precision precision = Precision::highest;
  Boundary boundary = Boundary::fill;
  double fill_value = 0.0;

  Index batch = 0, in_channels = 0, out_channels = 0, groups = 1;
  Axes in{{1, 1, 1}}, out{{1, 1, 1}}, kernel{{1, 1, 1}};
  Axes stride{{1, 1, 1}}, dilation{{1, 1, 1}};
  Axes pad_lo{{0, 0, 0}}, pad_hi{{0, 0, 0}}, output_padding{{0, 0, 0}};
  // Interleaved samples per pixel of an image row (3 for RGB): the boundary rule continues the
  // image by whole pixels. 1 everywhere else.
  Index samples_per_pixel = 1;
  Strides x{}, w{}, y{};

  FASTCONV_GEOMETRY Index group_in() const { return in_channels / groups; }
  FASTCONV_GEOMETRY Index group_out() const { return out_channels / groups; }
  bool operator==(const ConvProblem&) const = default;
};

enum class PoolKind : int { max, min, average, lp };

struct PoolProblem {
  DType dtype = DType::float32;
  PoolKind kind = PoolKind::max;
  int rank = 2;
  bool adaptive = false;  // windows follow from `in` and `out`; kernel, stride, padding are unused
  bool ceil_mode = false;
  bool count_include_pad = true;
  bool with_indices = false;   // max and min: also the flat position of the winner in its plane
  Index divisor_override = 0;  // 0: none
  double norm = 2.0;           // Lp

  Index batch = 0, channels = 0;
  Axes in{{1, 1, 1}}, out{{1, 1, 1}}, kernel{{1, 1, 1}};
  Axes stride{{1, 1, 1}}, dilation{{1, 1, 1}}, pad_lo{{0, 0, 0}}, pad_hi{{0, 0, 0}};
  Strides x{}, y{}, indices{};
};

}  // namespace fastconv
