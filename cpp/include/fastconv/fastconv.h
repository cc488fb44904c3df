// fastconv for C++ programs: describe a convolution, plan it, run it.
//
//   fastconv::ConvProblem p;
//   p.batch = 1; p.in_channels = 64; p.out_channels = 64;
//   p.in = {{1, 56, 56}}; p.kernel = {{1, 3, 3}};
//   p.pad_lo = p.pad_hi = {{0, 1, 1}};
//   fastconv::complete(p);  // output sizes, contiguous NCHW strides
//   fastconv::ConvPlan plan;
//   fastconv::Status status = fastconv::plan_conv(p, {}, plan);
//   if (status.ok()) status = fastconv::run_conv(p, plan, {x, w, nullptr, y});
//
// Every function is safe to call from several threads at once.
#pragma once

#include <fastconv/geometry.h>
#include <fastconv/plan.h>
#include <fastconv/problem.h>
#include <fastconv/status.h>

#include <memory>
#include <string>

namespace fastconv {

struct PlanOptions {
  Algorithm algorithm = Algorithm::automatic;
  int threads = 0;             // 0: the current setting
  bool keeps_weights = false;  // weights are packed once for many calls, so packing is free
};

// Fills in what follows from the rest: output sizes, and contiguous NCHW strides of input, weight
// and output. Call it before setting strides of your own.
void complete(ConvProblem& problem);

// The same problem with fewer axes, where memory allows: pointwise convolutions over adjoining
// rows, or over images of one pixel, become one long row. Optional, before planning.
void simplify(ConvProblem& problem);

// Sizes that fit together, options in range, products within 64 bits.
Status validate(const ConvProblem& problem);

// Validates, then decides how to compute. Fails with `unsupported` where options force what cannot
// be.
Status plan_conv(const ConvProblem& problem, const PlanOptions& options, ConvPlan& plan);

// Pointers to element 0 of each array; bias is contiguous and may be null when the problem has
// none.
struct ConvArrays {
  const void* x;
  const void* w;
  const void* bias;
  void* y;
};

// Computes a problem by a plan that was made for it. The output must not overlap an input.
Status run_conv(const ConvProblem& problem, const ConvPlan& plan, const ConvArrays& arrays);

// What a plan does and why, for people.
std::string explain(const ConvProblem& problem, const ConvPlan& plan);

// Weights and bias kept (and packed, where the plan packs them) for many calls with one geometry.
class PreparedConv {
 public:
  static Status make(const ConvProblem& problem, const PlanOptions& options, const void* w,
                     const void* bias, std::unique_ptr<PreparedConv>& made);
  // By a plan that was made for to_plan(problem), with PlanOptions::keeps_weights.
  static Status make(const ConvProblem& problem, const ConvPlan& plan, const PlanOptions& options,
                     const void* w, const void* bias, std::unique_ptr<PreparedConv>& made);
  // The problem with weights as they are kept, simplified.
  static ConvProblem to_plan(const ConvProblem& problem);
  ~PreparedConv();
  PreparedConv(const PreparedConv&) = delete;
  PreparedConv& operator=(const PreparedConv&) = delete;

  // Several threads may run one prepared convolution at once.
  Status run(const void* x, void* y) const;
  // The same for images that lie `batch_stride` elements apart in y, float32 and float64 only.
  // `addend` lies as y does and is needed where problem().has_addend.
  Status run(const void* x, void* y, Index batch_stride, const void* addend = nullptr) const;
  const ConvProblem& problem() const;
  const ConvPlan& plan() const;

 private:
  struct State;
  explicit PreparedConv(std::unique_ptr<State> state);
  static Status pack_weights(State& state, bool& declined);
  std::unique_ptr<State> state_;
};

}  // namespace fastconv
