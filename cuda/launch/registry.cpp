#include "cuda/launch/registry.h"

namespace fastconv::cuda {

extern const ConvEntry kConvDepthwiseChannels;
extern const ConvEntry kConvDepthwisePlanar;
extern const ConvEntry kConvDirect;
extern const ConvEntry kConvFilter;
extern const ConvEntry kConvGemm;
extern const ConvEntry kConvIm2col;
extern const ConvEntry kConvMma;

namespace {

constexpr const ConvEntry* kEntries[] = {
    &kConvFilter,
    &kConvDepthwiseChannels,
    &kConvDepthwisePlanar,
    &kConvMma,
    &kConvGemm,
    &kConvIm2col,
    &kConvDirect,
};
static_assert(sizeof(kEntries) / sizeof(kEntries[0]) == kConvKernels);

}  // namespace

ConvEntries conv_entries() {
  return {kEntries, kConvKernels};
}

const ConvEntry& conv_entry(ConvKernel kernel) {
  for (const ConvEntry* entry : kEntries) {
    if (entry->kernel == kernel) return *entry;
  }
  return kConvDirect;
}

const char* conv_kernel_name(ConvKernel kernel) {
  return conv_entry(kernel).name;
}

}  // namespace fastconv::cuda
