#include "core/names.h"

namespace fastconv {
namespace {

constexpr const char* kDTypeText[] = {"float32", "float64", "float16", "bfloat16"};
constexpr const char* kIsaText[] = {"scalar", "avx2", "avx512", "neon", "amx"};
constexpr const char* kAlgorithmText[] = {"auto", "direct", "im2col", "winograd", "fft"};
constexpr const char* kActivationText[] = {"none", "relu", "relu6", "leaky_relu", "sigmoid",
                                           "tanh", "silu", "gelu",  "hardswish"};
constexpr const char* kPrecisionText[] = {"highest", "high", "medium"};
constexpr const char* kBoundaryText[] = {"fill", "reflect", "nearest", "wrap"};
constexpr const char* kFamilyText[] = {"direct, plain",
                                       "direct, planar",
                                       "direct, pixels",
                                       "direct, channels-last",
                                       "direct, rows",
                                       "direct, rows in place",
                                       "direct, depthwise channels-last",
                                       "im2col, planar",
                                       "im2col, channels-last",
                                       "winograd, 2x2 tiles",
                                       "winograd, 4x4 tiles",
                                       "winograd, 4x2 tiles",
                                       "winograd, 3x3 tiles",
                                       "direct, matrix tiles",
                                       "im2col, matrix tiles",
                                       "direct, few pixels",
                                       "direct, transposed planar",
                                       "direct, transposed pixels",
                                       "direct, depthwise turned",
                                       "fft, overlapping tiles"};

template <int N>
constexpr NameList list(const char* what, const char* const (&names)[N]) {
  return {what, names, N};
}

}  // namespace

const NameList kDTypeNames = list("dtype", kDTypeText);
const NameList kIsaNames = list("instruction set", kIsaText);
const NameList kAlgorithmNames = list("algorithm", kAlgorithmText);
const NameList kActivationNames = list("activation", kActivationText);
const NameList kPrecisionNames = list("precision", kPrecisionText);
const NameList kBoundaryNames = list("boundary", kBoundaryText);
const NameList kFamilyNames = list("kernel family", kFamilyText);

static_assert(sizeof(kDTypeText) / sizeof(char*) == kDTypes);
static_assert(sizeof(kActivationText) / sizeof(char*) == kActivations);
static_assert(sizeof(kFamilyText) / sizeof(char*) == kFamilies);
static_assert(sizeof(kIsaText) / sizeof(char*) == kIsas);

int NameList::find(std::string_view name) const {
  for (int i = 0; i < count; ++i) {
    if (name == names[i]) return i;
  }
  return -1;
}

std::string NameList::listed() const {
  std::string text;
  for (int i = 0; i < count; ++i) {
    if (i > 0) text += ", ";
    text += '\'';
    text += names[i];
    text += '\'';
  }
  return text;
}

const char* isa_name(Isa isa) {
  return kIsaText[static_cast<int>(isa)];
}
const char* dtype_name(DType dtype) {
  return kDTypeText[static_cast<int>(dtype)];
}
const char* algorithm_name(Algorithm algorithm) {
  return kAlgorithmText[static_cast<int>(algorithm)];
}
const char* family_name(Family family) {
  return kFamilyText[static_cast<int>(family)];
}

Algorithm family_algorithm(Family family) {
  switch (family) {
    case Family::im2col_planar:
    case Family::im2col_channels_last:
    case Family::matrix_unfolded:
      return Algorithm::im2col;
    case Family::winograd_2x2:
    case Family::winograd_4x4:
    case Family::winograd_4x2:
    case Family::winograd_3x3:
      return Algorithm::winograd;
    case Family::fft:
      return Algorithm::fft;
    default:
      return Algorithm::direct;
  }
}

}  // namespace fastconv
