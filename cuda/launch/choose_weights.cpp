// Which kernel computes a weight gradient: pure functions of the problem, the options and the
// device.
#include <sstream>
#include <string>

#include "core/names.h"
#include "cuda/launch/weights_registry.h"

namespace fastconv::cuda {

extern const WeightEntry kWeightsDepthwise, kWeightsMma, kWeightsGemm, kWeightsDirect;

namespace {

constexpr const WeightEntry* kEntries[] = {&kWeightsDepthwise, &kWeightsMma, &kWeightsGemm,
                                           &kWeightsDirect};
static_assert(sizeof(kEntries) / sizeof(kEntries[0]) == kWeightKernels);

const WeightEntry& entry_of(WeightKernel kernel) {
  for (const WeightEntry* entry : kEntries) {
    if (entry->kernel == kernel) return *entry;
  }
  return kWeightsDirect;
}

}  // namespace

WeightEntries weight_entries() {
  return {kEntries, kWeightKernels};
}

const char* weight_kernel_name(WeightKernel kernel) {
  return entry_of(kernel).name;
}

Status plan_weight_gradient(const ConvProblem& p, const PlanOptions& options,
                            const DeviceTraits& traits, WeightPlan& plan) {
  for (const bool verified : {true, false}) {
    for (const WeightEntry* entry : kEntries) {
      const bool forced = static_cast<int>(entry->kernel) == options.kernel;
      if (options.kernel >= 0 ? !forced : verified && entry->verified == nullptr) continue;
      if (entry->declines(p, traits) != nullptr) continue;
      const char* why = forced ? "forced" : entry->wanted(p, traits);
      if (why == nullptr) continue;
      WeightPlan made;
      entry->schedule(p, options, traits, made);
      if (made.workspace_bytes > options.workspace_limit && !forced) continue;
      made.kernel = entry->kernel;
      made.verified = entry->verified;
      made.reason = why;
      plan = made;
      return {};
    }
  }
  return Status::error(StatusCode::unsupported,
                       "no kernel for this weight gradient on the GPU; the weight has " +
                           std::to_string(weight_count(p)) + " elements");
}

Status run_weight_gradient(const ConvProblem& p, const WeightPlan& plan, const WeightArrays& arrays,
                           void* workspace, Stream stream) {
  if (weight_count(p) == 0) return {};
  Status status = entry_of(plan.kernel).run(p, plan, arrays, workspace, stream);
  if (!status.ok()) {
    status.message += "; weight gradient, batch " + std::to_string(p.batch) + ", channels " +
                      std::to_string(p.in_channels) + " -> " + std::to_string(p.out_channels);
  }
  return status;
}

std::string explain(const ConvProblem& p, const WeightPlan& plan) {
  const WeightEntry& entry = entry_of(plan.kernel);
  std::ostringstream out;
  out << "weight gradient, " << dtype_name(p.dtype) << ", " << weight_count(p) << " weights, "
      << p.batch * p.out.product() << " pixels\n";
  out << "kernel: " << entry.name << "\n  because: " << plan.reason << "\n  verified: "
      << (entry.verified != nullptr ? entry.verified : "not yet run on hardware") << '\n';
  out << "tile: " << plan.tile_m << " output channels x " << plan.tile_n << " columns x "
      << plan.tile_k << " pixels, in " << plan.parts << " part" << (plan.parts == 1 ? "" : "s")
      << "\nworkspace: " << plan.workspace_bytes << " bytes\n";
  return out.str();
}

}  // namespace fastconv::cuda
