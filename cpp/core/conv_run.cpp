#include <fastconv/fastconv.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <string>

#include "core/conv_choose.h"
#include "core/conv_widen.h"
#include "core/fft.h"
#include "core/grid.h"
#include "core/half.h"
#include "core/memory.h"
#include "core/parallel.h"
#include "core/subpixel.h"
#include "core/unit.h"
#include "core/whole_numbers.h"
#include "core/winograd.h"

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
  if (!takes_every_value(plan.family)) return false;  // nothing but finite numbers gets through
  if (plan.reads_in_place || p.boundary != Boundary::fill || p.fill_value != 0.0) return false;
  if (plan.family == Family::transposed_pixels) return false;
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
            if (!std::isfinite(widen(w[a * p.w.batch + b * p.w.channel + z * p.w.spatial[0] +
                                       r * p.w.spatial[1] + s * p.w.spatial[2]]))) {
              return false;
            }
          }
        }
      }
    }
  }
  return true;
}

bool all_finite(const ConvProblem& p, const void* weights) {
  switch (p.dtype) {
    case DType::float32:
      return all_finite<float>(p, weights);
    case DType::float64:
      return all_finite<double>(p, weights);
    case DType::float16:
      return all_finite<Half>(p, weights);
    case DType::bfloat16:
      return all_finite<BFloat16>(p, weights);
  }
  return false;
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

Status run_job(ConvJob job, bool packed);

// Another family for values that the planned one cannot take; its weights are packed for this call.
Status run_any_value(ConvJob job) {
  ConvPlan plan;
  if (is_narrow(job.problem->dtype)) {
    const PlanOptions options{Algorithm::direct, job.plan->threads};
    if (Status status = plan_widened(*job.problem, options, plan); !status.ok()) return status;
    return run_widened(*job.problem, plan, {job.x, job.w, job.bias, job.y});
  }
  plan_any_value(*job.problem, job.plan->threads, false, plan);
  const Workspace shared = allocate_workspace(plan.shared_bytes);
  if (!shared) return no_memory(plan.shared_bytes);
  job.plan = &plan;
  job.shared = shared.get();
  return run_job(job, false);
}

// A job whose shared workspace is set; `packed` says that phase 0 has filled it already.
Status run_job(ConvJob job, bool packed) {
  const ConvProblem& p = *job.problem;
  if (p.batch == 0) return {};
  // "highest" keeps whole numbers whole, and the last bits of the smallest numbers, which tiles of
  // six points along an axis do not.
  const Family family = job.plan->family;
  if (family_algorithm(family) == Algorithm::winograd && winograd_rounds(p, family) &&
      p.precision == Precision::highest &&
      only_whole_or_tiny(p, static_cast<const float*>(job.x))) {
    return run_any_value(job);
  }
  unsigned char saw_nan = 0, declined = 0;
  job.saw_nan = multiplies_padding(p, *job.plan) ? &saw_nan : nullptr;
  job.declined = &declined;
  if (job.plan->family == Family::fft) job.fft_roots = fft_roots();
  if (Status status = run_kernel(job, packed); !status.ok()) return status;
  if (declined != 0) return run_any_value(job);
  if (saw_nan == 0) return {};
  if (job.plan->family == Family::transposed_planar && subpixel_fills(p)) return run_plain(job);
  // A NaN that no weight can have made out of padding is the right answer.
  return all_finite(p, job.w) ? Status{} : run_plain(job);
}

}  // namespace

Status run_conv(const ConvProblem& problem, const ConvPlan& plan, const ConvArrays& arrays) {
  if (plan.images != 0) return run_widened(problem, plan, arrays);
  ConvJob job{&problem, &plan,   arrays.x, arrays.w, arrays.bias,
              arrays.y, nullptr, nullptr,  nullptr};
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
  std::unique_ptr<PreparedConv> wide;  // computes for 16-bit arrays, where plan.images is not 0
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

// Strides of weights without gaps.
Strides contiguous_weights(const ConvProblem& problem) {
  ConvProblem contiguous = problem;
  complete(contiguous);
  return contiguous.w;
}

// A contiguous copy of the weights, so that the caller may change or free its own.
void copy_weights(const ConvProblem& from, const Strides& to, const void* source,
                  std::byte* target) {
  const auto element = static_cast<std::size_t>(element_size(from.dtype));
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
            std::memcpy(target + static_cast<std::size_t>(at(to, a, b, z, r, c)) * element,
                        bytes + at(from.w, a, b, z, r, c) * static_cast<Index>(element), element);
          }
        }
      }
    }
  }
}

}  // namespace

// Runs phase 0 of the plan. `declined` tells that the plan's family cannot take these weights.
Status PreparedConv::pack_weights(State& state, bool& declined) {
  state.packed = allocate_workspace(state.plan.shared_bytes + 64);
  if (!state.packed) return no_memory(state.plan.shared_bytes);
  if (state.plan.tasks[0] == 0) return {};
  const ConvKernel& kernel = find_unit(state.plan.isa)
                                 ->table[static_cast<int>(state.problem.dtype)]
                                 .conv[static_cast<int>(state.plan.family)];
  unsigned char told = 0;
  const ConvJob job{&state.problem,     &state.plan, nullptr, state.weights.get(), nullptr, nullptr,
                    state.packed.get(), nullptr,     &told};
  const Phase phase{state.plan.tasks[0], kernel.pack};
  if (!run_phases(state.plan.threads, &phase, 1, &job, state.plan.scratch_bytes)) {
    return no_memory(state.plan.scratch_bytes);
  }
  declined = told != 0;
  return {};
}

ConvProblem PreparedConv::to_plan(const ConvProblem& problem) {
  ConvProblem own = problem;
  own.w = contiguous_weights(problem);
  simplify(own);
  return own;
}

Status PreparedConv::make(const ConvProblem& problem, const PlanOptions& options, const void* w,
                          const void* bias, std::unique_ptr<PreparedConv>& made) {
  PlanOptions kept = options;
  kept.keeps_weights = true;
  ConvPlan plan;
  if (Status status = plan_conv(to_plan(problem), kept, plan); !status.ok()) return status;
  return make(problem, plan, options, w, bias, made);
}

Status PreparedConv::make(const ConvProblem& problem, const ConvPlan& plan,
                          const PlanOptions& options, const void* w, const void* bias,
                          std::unique_ptr<PreparedConv>& made) {
  auto state = std::make_unique<State>();
  state->problem = to_plan(problem);
  state->plan = plan;
  const auto widen = [&] {
    ConvProblem given = state->problem;
    given.w = problem.w;
    if (state->plan.task_groups == 0) {
      return prepare_widened(given, state->plan, options, w, bias, state->wide);
    }
    state->weights = allocate_workspace(widened_weight_bytes(given));
    if (!state->weights) return no_memory(widened_weight_bytes(given));
    widen_weights(given, state->plan, w, bias, state->weights.get());
    return Status{};
  };
  if (plan.images != 0) {
    if (Status status = widen(); !status.ok()) return status;
    made.reset(new PreparedConv(std::move(state)));
    return {};
  }

  const auto element = static_cast<std::size_t>(element_size(problem.dtype));
  const auto count = static_cast<std::size_t>(problem.out_channels * problem.group_in() *
                                              problem.kernel.product());
  state->weights = allocate_workspace(count * element + 64);
  state->bias = allocate_workspace(static_cast<std::size_t>(problem.out_channels) * element + 64);
  if (!state->weights || !state->bias) return no_memory(count * element);
  copy_weights(problem, contiguous_weights(problem), w, state->weights.get());
  if (bias != nullptr) {
    std::memcpy(state->bias.get(), bias, static_cast<std::size_t>(problem.out_channels) * element);
  }

  bool declined = false;
  if (Status status = pack_weights(*state, declined); !status.ok()) return status;
  if (declined) {
    const int threads = options.threads > 0 ? options.threads : max_threads();
    Status status;
    if (is_narrow(problem.dtype)) {
      status = plan_widened(state->problem, {Algorithm::direct, threads}, state->plan);
      if (status.ok()) status = widen();
    } else {
      plan_any_value(state->problem, threads, true, state->plan);
      status = pack_weights(*state, declined);
    }
    if (!status.ok()) return status;
  }
  made.reset(new PreparedConv(std::move(state)));
  return {};
}

Status PreparedConv::run(const void* x, void* y) const {
  if (state_->plan.task_groups != 0) {
    return run_widened_blocks(state_->problem, state_->plan, x, state_->weights.get(), y);
  }
  if (state_->wide) {
    return run_prepared_widened(state_->problem, state_->plan, *state_->wide, x, y);
  }
  return run(x, y, state_->problem.y.batch);
}

Status PreparedConv::run(const void* x, void* y, Index batch_stride, const void* addend) const {
  ConvProblem problem = state_->problem;
  problem.y.batch = batch_stride;
  const Index distance = addend == nullptr
                             ? 0
                             : (reinterpret_cast<Index>(addend) - reinterpret_cast<Index>(y)) /
                                   element_size(problem.dtype);
  return run_job({&problem, &state_->plan, x, state_->weights.get(),
                  problem.has_bias ? state_->bias.get() : nullptr, y, state_->packed.get(), nullptr,
                  nullptr, distance},
                 true);
}

}  // namespace fastconv
