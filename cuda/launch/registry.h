// The kernels of a convolution, one entry each. A family defines its entry beside its kernels
// (cuda/kernels/*.cu) and is listed in registry.cpp.
#pragma once

#include "cuda/fastconv_cuda.h"

namespace fastconv::cuda {

struct ConvEntry {
  ConvKernel kernel;
  const char* name;
  Algorithm algorithm;
  // "chip, driver, date" of the hardware run that it passed; null: it has only run in the shim.
  const char* verified;
  // Why it cannot take a problem, as a clause for people; null when it can.
  const char* (*declines)(const ConvProblem&, const DeviceTraits&);
  // Why it should be chosen for a problem that it can take; null when it should not.
  const char* (*wanted)(const ConvProblem&, const DeviceTraits&);
  // Tiles, parts and workspace of a plan for a problem that it can take.
  void (*schedule)(const ConvProblem&, const PlanOptions&, const DeviceTraits&, ConvPlan&);
  Status (*run)(const ConvProblem&, const ConvPlan&, const ConvArrays&, void* workspace, Stream);
};

const ConvEntry& conv_entry(ConvKernel kernel);

// In the order in which they are asked whether they are wanted: most specialised first, `direct`,
// which takes everything, last.
struct ConvEntries {
  const ConvEntry* const* first;
  int count;
  const ConvEntry* const* begin() const { return first; }
  const ConvEntry* const* end() const { return first + count; }
};
ConvEntries conv_entries();

}  // namespace fastconv::cuda
