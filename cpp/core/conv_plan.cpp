// plan_conv: what was planned before, else what was measured, else what the rules choose.
#include <fastconv/fastconv.h>

#include <memory>
#include <new>

#include "core/config.h"
#include "core/conv_choose.h"
#include "core/parallel.h"
#include "core/tuned.h"

namespace fastconv {
namespace {

// Everything that a plan follows from.
struct Question {
  ConvProblem problem;
  PlanOptions options;
  Isa isa;
  unsigned tuned;  // generation of the measured choices

  bool operator==(const Question& other) const {
    return problem == other.problem && options.algorithm == other.options.algorithm &&
           options.threads == other.options.threads &&
           options.keeps_weights == other.options.keeps_weights && isa == other.isa &&
           tuned == other.tuned;
  }

  std::size_t slot(std::size_t slots) const {
    const ConvProblem& p = problem;
    std::uint64_t mixed = 0;
    for (const Index number :
         {p.batch, p.in_channels, p.out_channels, p.groups, p.in[1], p.in[2], p.kernel[1],
          p.kernel[2], p.stride[2], p.dilation[2], p.pad_lo[2], p.x.channel}) {
      mixed = (mixed ^ static_cast<std::uint64_t>(number)) * 0x9E3779B97F4A7C15u;
      mixed ^= mixed >> 29;
    }
    return static_cast<std::size_t>(mixed % slots);
  }
};

// The calling thread's last plans. A network asks the same questions again and again, and rules
// that estimate costs take longer than the smallest convolutions.
class Remembered {
 public:
  // Null when the question is new.
  const ConvPlan* find(const Question& question) const {
    if (!entries_) return nullptr;
    const Entry& entry = entries_[question.slot(kEntries)];
    return entry.used && entry.question == question ? &entry.plan : nullptr;
  }

  void keep(const Question& question, const ConvPlan& plan) {
    if (!entries_) entries_.reset(new (std::nothrow) Entry[kEntries]);
    if (entries_) entries_[question.slot(kEntries)] = {true, question, plan};
  }

 private:
  static constexpr std::size_t kEntries = 64;
  struct Entry {
    bool used = false;
    Question question{};
    ConvPlan plan{};
  };
  std::unique_ptr<Entry[]> entries_;
};

thread_local Remembered t_remembered;

}  // namespace

Status plan_conv(const ConvProblem& problem, const PlanOptions& options, ConvPlan& plan) {
  if (!environment_status().ok()) return environment_status();
  Question question{problem, options, active_isa(), tuned_generation()};
  if (question.options.threads <= 0) question.options.threads = max_threads();
  if (question.options.algorithm == Algorithm::automatic) {
    question.options.algorithm = environment_algorithm();
  }
  if (const ConvPlan* known = t_remembered.find(question); known != nullptr) {
    plan = *known;
    return {};
  }
  if (Status status = validate(problem); !status.ok()) return status;
  if (Status status = choose_conv(problem, question.options, question.isa, plan); !status.ok()) {
    return status;
  }
  if (question.tuned != 0 && plan.images == 0) {
    TunedChoice choice;
    if (find_tuned(tuning_key(problem, question.options, question.isa), choice)) {
      follow_tuned(problem, question.options, choice, plan);
    }
  }
  t_remembered.keep(question, plan);
  return {};
}

}  // namespace fastconv
