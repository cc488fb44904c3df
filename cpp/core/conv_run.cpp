#include <fastconv/fastconv.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <string>

#include "core/grid.h"
#include "core/memory.h"
#include "core/parallel.h"
#include "core/unit.h"

namespace fastconv {
namespace {

// Packed weights of the calling thread's last call, kept so that a loop of calls touches no fresh
// page.
std::byte* shared_workspace(std::size_t bytes) {
  thread_local Workspace kept;
  thread_local std::size_t size = 0;
  if (bytes > size || size > kKeptScratch) {
    kept.reset();
    kept = allocate_workspace(bytes);
    size = kept ? bytes : 0;
  }
  return kept.get();
}

Status no_memory(std::size_t bytes) {
  return Status::error(StatusCode::memory,
                       "no memory for a workspace of " + std::to_string(bytes) + " bytes");
}

// Whether some kernel element of some output lies on zero padding that this family multiplies.
bool multiplies_padding(const ConvProblem& p, const ConvPlan& plan) {
  if (plan.family == Family::plain || plan.family == Family::depthwise_channels_last) return false;
  if (plan.reads_in_place || p.boundary != Boundary::fill || p.fill_value != 0.0) return false;
  if (p.transposed) return true;
  for (int a = 0; a < kAxes; ++a) {
    if (p.pad_lo[a] != 0 || p.pad_hi[a] != 0) return true;
  }
  return false;
}

template <class T>
bool all_finite(const ConvProblem& p, const void* weights) {
  const T* w = static_cast<const T*>(weights);
  const Index first = p.transposed ? p.in_channels : p.out_channels;
  const Index second = p.transposed ? p.group_out() : p.group_in();
  for (Index a = 0; a < first; ++a) {
    for (Index b = 0; b < second; ++b) {
      for (Index z = 0; z < p.kernel[0]; ++z) {
        for (Index r = 0; r < p.kernel[1]; ++r) {
          for (Index s = 0; s < p.kernel[2]; ++s) {
            if (!std::isfinite(w[a * p.w.batch + b * p.w.channel + z * p.w.spatial[0] +
                                 r * p.w.spatial[1] + s * p.w.spatial[2]])) {
              return false;
            }
          }
        }
      }
    }
  }
  return true;
}

Status run_kernel(const ConvJob& job, bool packed) {
  const ConvPlan& plan = *job.plan;
  const ConvKernel& kernel = find_unit(plan.isa)
                                 ->table[static_cast<int>(job.problem->dtype)]
                                 .conv[static_cast<int>(plan.family)];
  Phase phases[2];
  int count = 0;
  if (plan.tasks[0] != 0 && !packed) phases[count++] = {plan.tasks[0], kernel.pack};
  phases[count++] = {plan.tasks[1], kernel.run};
  if (!run_phases(plan.threads, phases, count, &job, plan.scratch_bytes)) {
    return no_memory(plan.scratch_bytes);
  }
  return {};
}

// The plain kernel, which skips padding, for the whole problem.
Status run_plain(ConvJob job) {
  ConvPlan plan;
  plan.family = Family::plain;
  plan.isa = Isa::scalar;
  plan.threads = job.plan->threads;
  plan.block_rows = plan.block_cols = 16;
  plan.tasks[1] = grid_tasks(*job.problem, grid_of(*job.problem, 16, 16), 1);
  job.plan = &plan;
  job.saw_nan = nullptr;
  return run_kernel(job, false);
}

// A job whose shared workspace is set; `packed` says that phase 0 has filled it already.
Status run_job(ConvJob job, bool packed) {
  const ConvProblem& p = *job.problem;
  if (p.batch == 0) return {};
  unsigned char saw_nan = 0;
  job.saw_nan = multiplies_padding(p, *job.plan) ? &saw_nan : nullptr;
  if (Status status = run_kernel(job, packed); !status.ok()) return status;
  if (saw_nan == 0) return {};
  const bool finite =
      p.dtype == DType::float32 ? all_finite<float>(p, job.w) : all_finite<double>(p, job.w);
  // A NaN that no weight can have made out of padding is the right answer.
  return finite ? Status{} : run_plain(job);
}

}  // namespace

Status run_conv(const ConvProblem& problem, const ConvPlan& plan, const ConvArrays& arrays) {
  ConvJob job{&problem, &plan, arrays.x, arrays.w, arrays.bias, arrays.y, nullptr, nullptr};
  if (plan.shared_bytes != 0) {
    job.shared = shared_workspace(plan.shared_bytes);
    if (job.shared == nullptr) return no_memory(plan.shared_bytes);
  }
  return run_job(job, false);
}

struct PreparedConv::State {
  ConvProblem problem;
  ConvPlan plan;
  Workspace weights, bias, packed;
};

PreparedConv::PreparedConv(std::unique_ptr<State> state) : state_(std::move(state)) {}
PreparedConv::~PreparedConv() = default;
const ConvProblem& PreparedConv::problem() const {
  return state_->problem;
}
const ConvPlan& PreparedConv::plan() const {
  return state_->plan;
}

namespace {

// A contiguous copy of the weights, so that the caller may change or free its own.
void copy_weights(const ConvProblem& from, const ConvProblem& to, const void* source,
                  std::byte* target) {
  const std::size_t element = from.dtype == DType::float32 ? 4 : 8;
  const Index first = from.transposed ? from.in_channels : from.out_channels;
  const Index second = from.transposed ? from.group_out() : from.group_in();
  const auto* bytes = static_cast<const std::byte*>(source);
  const auto at = [](const Strides& s, Index a, Index b, Index z, Index r, Index c) {
    return a * s.batch + b * s.channel + z * s.spatial[0] + r * s.spatial[1] + c * s.spatial[2];
  };
  for (Index a = 0; a < first; ++a) {
    for (Index b = 0; b < second; ++b) {
      for (Index z = 0; z < from.kernel[0]; ++z) {
        for (Index r = 0; r < from.kernel[1]; ++r) {
          for (Index c = 0; c < from.kernel[2]; ++c) {
            std::memcpy(target + static_cast<std::size_t>(at(to.w, a, b, z, r, c)) * element,
                        bytes + at(from.w, a, b, z, r, c) * static_cast<Index>(element), element);
          }
        }
      }
    }
  }
}

}  // namespace

Status PreparedConv::make(const ConvProblem& problem, const PlanOptions& options, const void* w,
                          const void* bias, std::unique_ptr<PreparedConv>& made) {
  auto state = std::make_unique<State>();
  state->problem = problem;
  ConvProblem contiguous = problem;
  complete(contiguous);
  state->problem.w = contiguous.w;
  simplify(state->problem);
  PlanOptions kept = options;
  kept.keeps_weights = true;
  if (Status status = plan_conv(state->problem, kept, state->plan); !status.ok()) return status;

  const std::size_t element = problem.dtype == DType::float32 ? 4 : 8;
  const auto count = static_cast<std::size_t>(problem.out_channels * problem.group_in() *
                                              problem.kernel.product());
  state->weights = allocate_workspace(count * element + 64);
  state->bias = allocate_workspace(static_cast<std::size_t>(problem.out_channels) * element + 64);
  state->packed = allocate_workspace(state->plan.shared_bytes + 64);
  if (!state->weights || !state->bias || !state->packed) return no_memory(count * element * 2);
  copy_weights(problem, state->problem, w, state->weights.get());
  if (bias != nullptr) {
    std::memcpy(state->bias.get(), bias, static_cast<std::size_t>(problem.out_channels) * element);
  }

  const ConvKernel& kernel = find_unit(state->plan.isa)
                                 ->table[static_cast<int>(problem.dtype)]
                                 .conv[static_cast<int>(state->plan.family)];
  if (state->plan.tasks[0] != 0) {
    const ConvJob job{&state->problem, &state->plan,        nullptr, state->weights.get(), nullptr,
                      nullptr,         state->packed.get(), nullptr};
    const Phase phase{state->plan.tasks[0], kernel.pack};
    if (!run_phases(state->plan.threads, &phase, 1, &job, state->plan.scratch_bytes)) {
      return no_memory(state->plan.scratch_bytes);
    }
  }
  made.reset(new PreparedConv(std::move(state)));
  return {};
}

Status PreparedConv::run(const void* x, void* y) const {
  return run_job(
      {&state_->problem, &state_->plan, x, state_->weights.get(),
       state_->problem.has_bias ? state_->bias.get() : nullptr, y, state_->packed.get(), nullptr},
      true);
}

}  // namespace fastconv
