#include "core/tuned.h"

#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <sstream>
#include <unordered_map>

#include "core/conv_choose.h"
#include "core/names.h"

namespace fastconv {
namespace {

struct Table {
  std::shared_mutex mutex;
  std::unordered_map<std::string, TunedChoice> choices;
};

Table& table() {
  static Table kept;
  return kept;
}

std::atomic<unsigned> g_generation{0};

void print(std::ostream& out, const char* name, const Axes& axes) {
  out << ' ' << name << ' ' << axes[0] << 'x' << axes[1] << 'x' << axes[2];
}

void print(std::ostream& out, const char* name, const Strides& strides) {
  out << ' ' << name << ' ' << strides.batch << ',' << strides.channel;
  for (const Index step : strides.spatial.v) out << ',' << step;
}

}  // namespace

std::string tuning_key(const ConvProblem& p, const PlanOptions& options, Isa isa) {
  std::ostringstream out;
  out << (p.transposed ? "conv_transpose" : "conv") << p.rank << "d " << dtype_name(p.dtype) << ' '
      << kPrecisionNames.names[static_cast<int>(p.precision)] << ' '
      << kBoundaryNames.names[static_cast<int>(p.boundary)] << ' ' << p.fill_value << " batch "
      << p.batch << " channels " << p.in_channels << "->" << p.out_channels << " groups "
      << p.groups << " samples " << p.samples_per_pixel;
  print(out, "in", p.in);
  print(out, "kernel", p.kernel);
  print(out, "out", p.out);
  print(out, "stride", p.stride);
  print(out, "dilation", p.dilation);
  print(out, "padding", p.pad_lo);
  print(out, "and", p.pad_hi);
  print(out, "x", p.x);
  print(out, "y", p.y);
  out << (options.keeps_weights ? " planned " : " called ") << algorithm_name(options.algorithm)
      << ' ' << isa_name(isa);
  return out.str();
}

void keep_tuned(const std::string& key, const TunedChoice& choice) {
  const std::unique_lock lock(table().mutex);
  table().choices[key] = choice;
  g_generation.fetch_add(1, std::memory_order_release);
}

void forget_tuned() {
  const std::unique_lock lock(table().mutex);
  table().choices.clear();
  g_generation.fetch_add(1, std::memory_order_release);
}

bool find_tuned(const std::string& key, TunedChoice& choice) {
  const std::shared_lock lock(table().mutex);
  const auto found = table().choices.find(key);
  if (found == table().choices.end()) return false;
  choice = found->second;
  return true;
}

unsigned tuned_generation() {
  return g_generation.load(std::memory_order_acquire);
}

bool follow_tuned(const ConvProblem& problem, const PlanOptions& options, const TunedChoice& choice,
                  ConvPlan& plan) {
  const DTypeTable& kernels = find_unit(plan.isa)->table[static_cast<int>(problem.dtype)];
  const auto family = static_cast<std::size_t>(choice.family);
  if (kernels.conv[family].run == nullptr) return false;
  if (declines(problem, choice.family, kernels) != nullptr) return false;
  if (!accurate_enough(problem, choice.family)) return false;
  ConvPlan made;
  made.isa = plan.isa;
  made.family = choice.family;
  made.threads = choice.limit == options.threads ? choice.threads : plan.threads;
  ConvProblem filled = problem;
  filled.batch = larger(1, problem.batch);
  schedule(filled, kernels, choice.cache, options.keeps_weights, made);
  made.threads = static_cast<int>(larger(1, smaller(made.threads, made.tasks[1])));
  made.reason = "fastconv.tune measured it to be the fastest";
  plan = made;
  return true;
}

}  // namespace fastconv
