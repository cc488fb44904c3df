#include "core/tune.h"

#include <algorithm>
#include <chrono>
#include <memory>

#include "core/config.h"
#include "core/conv_choose.h"
#include "core/cpu_features.h"
#include "core/parallel.h"

namespace fastconv {
namespace {

using Clock = std::chrono::steady_clock;

// Noise of a measurement: less than this does not make a candidate better than the rules' choice.
constexpr double kWorthIt = 0.97;
// Candidates that are slower than this after two calls are not called again.
constexpr double kHopeless = 1.5;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// One candidate, ready to be called.
struct Contender {
  Measured result;
  std::unique_ptr<PreparedConv> prepared;  // where packing is not timed
};

class Contest {
 public:
  Contest(const ConvProblem& given, const PlanOptions& options, const ConvArrays& arrays)
      : given_(given),
        problem_(planned_problem(given, options)),
        options_(options),
        arrays_(arrays) {}

  // Adds a plan and calls it twice.
  Status enter(const TunedChoice& choice, const ConvPlan& plan, bool by_rule) {
    for (const Contender& other : contenders_) {
      const ConvPlan& p = other.result.plan;
      if (p.family == plan.family && p.threads == plan.threads && p.block_rows == plan.block_rows &&
          p.block_cols == plan.block_cols && p.block_depth == plan.block_depth &&
          p.channel_parts == plan.channel_parts) {
        return {};
      }
    }
    Contender made{{choice, plan, 0.0, by_rule}, nullptr};
    if (options_.keeps_weights) {
      if (Status status =
              PreparedConv::make(given_, plan, options_, arrays_.w, arrays_.bias, made.prepared);
          !status.ok()) {
        return status;
      }
    }
    contenders_.push_back(std::move(made));
    Measured& result = contenders_.back().result;
    if (Status status = time(contenders_.back()); !status.ok()) return status;
    const double first = result.seconds;
    result.seconds = 0.0;
    if (Status status = time(contenders_.back()); !status.ok()) return status;
    result.seconds = std::min(first, result.seconds);
    return {};
  }

  // Calls those that may still win in turn, so that the machine's moods hit all alike.
  Status run(double seconds) {
    const Clock::time_point start = Clock::now();
    double best = contenders_[0].result.seconds;
    do {
      for (Contender& contender : contenders_) {
        if (contender.result.seconds > kHopeless * best) continue;
        if (Status status = time(contender); !status.ok()) return status;
        best = std::min(best, contender.result.seconds);
      }
    } while (seconds_since(start) < seconds);
    return {};
  }

  // Families by their fastest candidate.
  std::vector<Measured> ranked() const {
    std::vector<Measured> all;
    for (const Contender& contender : contenders_) all.push_back(contender.result);
    std::stable_sort(all.begin(), all.end(),
                     [](const Measured& a, const Measured& b) { return a.seconds < b.seconds; });
    const auto rule =
        std::find_if(all.begin(), all.end(), [](const Measured& m) { return m.by_rule; });
    if (all[0].seconds > kWorthIt * rule->seconds) std::rotate(all.begin(), rule, rule + 1);
    return all;
  }

 private:
  Status time(Contender& contender) {
    const Clock::time_point start = Clock::now();
    const Status status = contender.prepared ? contender.prepared->run(arrays_.x, arrays_.y)
                                             : run_conv(problem_, contender.result.plan, arrays_);
    const double taken = seconds_since(start);
    double& best = contender.result.seconds;
    best = best == 0.0 ? taken : std::min(best, taken);
    return status;
  }

  const ConvProblem& given_;
  const ConvProblem problem_;  // as it is planned
  const PlanOptions& options_;
  const ConvArrays& arrays_;
  std::vector<Contender> contenders_;
};

}  // namespace

ConvProblem planned_problem(const ConvProblem& problem, const PlanOptions& options) {
  if (options.keeps_weights) return PreparedConv::to_plan(problem);
  ConvProblem simple = problem;
  simplify(simple);
  return simple;
}

Status tune_conv(const ConvProblem& given, const PlanOptions& asked, const ConvArrays& arrays,
                 double seconds, std::vector<Measured>& ranked) {
  if (!environment_status().ok()) return environment_status();
  if (Status status = validate(given); !status.ok()) return status;
  const ConvProblem problem = planned_problem(given, asked);
  PlanOptions options = asked;
  if (options.threads <= 0) options.threads = max_threads();
  if (options.algorithm == Algorithm::automatic) options.algorithm = environment_algorithm();

  ConvPlan rule;
  if (Status status = choose_conv(problem, options, active_isa(), rule); !status.ok())
    return status;
  if (rule.images != 0) {
    return Status::error(StatusCode::unsupported,
                         "this 16-bit problem is computed in float32; tune the float32 problem");
  }
  const Index cache = static_cast<Index>(second_level_cache()) / 2;
  Contest contest(given, options, arrays);
  if (Status status =
          contest.enter({rule.family, options.threads, rule.threads, cache}, rule, true);
      !status.ok()) {
    return status;
  }
  const auto enter = [&](const TunedChoice& choice) -> Status {
    ConvPlan plan = rule;
    if (!follow_tuned(problem, options, choice, plan)) return {};
    return contest.enter(choice, plan, false);
  };
  // First the families as the rules would cut them, then the two fastest cut otherwise.
  for (int i = 0; i < kFamilies; ++i) {
    const auto family = static_cast<Family>(i);
    const bool allowed =
        options.algorithm == Algorithm::automatic || family_algorithm(family) == options.algorithm;
    if (!allowed || family == Family::plain) continue;
    if (Status status = enter({family, options.threads, rule.threads, cache}); !status.ok()) {
      return status;
    }
  }
  if (Status status = contest.run(seconds / 2); !status.ok()) return status;
  ranked = contest.ranked();
  const std::size_t finalists = std::min<std::size_t>(2, ranked.size());
  for (std::size_t i = 0; i < finalists; ++i) {
    const TunedChoice best = ranked[i].choice;
    for (const Index share : {cache / 4, cache / 2, 2 * cache}) {
      TunedChoice other = best;
      other.cache = share;
      if (Status status = enter(other); !status.ok()) return status;
    }
    for (const int threads : {1, options.threads / 2, options.threads}) {
      if (threads < 1) continue;
      TunedChoice other = best;
      other.threads = threads;
      if (Status status = enter(other); !status.ok()) return status;
    }
  }
  if (Status status = contest.run(seconds / 2); !status.ok()) return status;
  ranked = contest.ranked();
  return {};
}

}  // namespace fastconv
