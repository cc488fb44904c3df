// Which kernel computes a convolution: pure functions of the problem, the options and the device.
#include <string>

#include "core/names.h"
#include "cuda/launch/registry.h"

namespace fastconv::cuda {
namespace {

bool fits(const ConvEntry& entry, const PlanOptions& options) {
  return options.algorithm == Algorithm::automatic || entry.algorithm == options.algorithm;
}

Status check_forced(int kernel) {
  if (kernel < kConvKernels) return {};
  return Status::error(StatusCode::value, "kernel is " + std::to_string(kernel) +
                                              "; it must be less than " +
                                              std::to_string(kConvKernels));
}

Status nothing_takes(const ConvProblem& p, const PlanOptions& options, const DeviceTraits& traits) {
  std::string why = std::string("algorithm '") + algorithm_name(options.algorithm) +
                    "' cannot compute this problem on the GPU:";
  bool any = false;
  for (const ConvEntry* entry : conv_entries()) {
    if (!fits(*entry, options)) continue;
    const char* declined = entry->declines(p, traits);
    why += std::string(any ? "; " : " ") + entry->name + ": " +
           (declined != nullptr ? declined : "more workspace than the limit");
    any = true;
  }
  if (!any) why += " no kernel has it";
  return Status::error(StatusCode::unsupported, why + "; use algorithm='auto'");
}

// The first that is wanted, of those that passed on hardware where there are any.
const ConvEntry* choose(const ConvProblem& p, const PlanOptions& options,
                        const DeviceTraits& traits, ConvPlan& plan) {
  for (const bool verified : {true, false}) {
    const ConvEntry* possible = nullptr;
    for (const ConvEntry* entry : conv_entries()) {
      if (verified && entry->verified == nullptr) continue;
      if (!fits(*entry, options) || entry->declines(p, traits) != nullptr) continue;
      ConvPlan candidate;
      entry->schedule(p, options, traits, candidate);
      if (candidate.workspace_bytes > options.workspace_limit) continue;
      const char* why = entry->wanted(p, traits);
      if (why == nullptr && possible != nullptr) continue;
      plan = candidate;
      plan.reason = why != nullptr ? why : "no other kernel with this algorithm takes the problem";
      possible = entry;
      if (why != nullptr) return entry;
    }
    if (possible != nullptr) return possible;
  }
  return nullptr;
}

}  // namespace

Status plan_conv(const ConvProblem& p, const PlanOptions& options, const DeviceTraits& traits,
                 ConvPlan& plan) {
  if (Status status = validate(p); !status.ok()) return status;
  if (Status status = check_forced(options.kernel); !status.ok()) return status;
  const ConvEntry* entry = nullptr;
  if (options.kernel >= 0) {
    entry = &conv_entry(static_cast<ConvKernel>(options.kernel));
    if (const char* why = entry->declines(p, traits)) {
      return Status::error(StatusCode::unsupported,
                           std::string("kernel '") + entry->name + "' cannot compute this: " + why);
    }
    plan = {};
    entry->schedule(p, options, traits, plan);
    plan.reason = "forced";
  } else {
    entry = choose(p, options, traits, plan);
    if (entry == nullptr) return nothing_takes(p, options, traits);
  }
  plan.kernel = entry->kernel;
  plan.verified = entry->verified;
  return {};
}

Status run_conv(const ConvProblem& p, const ConvPlan& plan, const ConvArrays& arrays,
                void* workspace, Stream stream) {
  if (p.batch == 0) return {};
  Status status = conv_entry(plan.kernel).run(p, plan, arrays, workspace, stream);
  if (!status.ok()) {
    status.message += "; batch " + std::to_string(p.batch) + ", channels " +
                      std::to_string(p.in_channels) + " -> " + std::to_string(p.out_channels);
  }
  return status;
}

}  // namespace fastconv::cuda
