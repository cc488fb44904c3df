// fastconv.tune: measuring candidates, and the choices kept from it.
#include <atomic>
#include <mutex>

#include "bind_errors.h"
#include "bindings.h"
#include "conv_call.h"
#include "core/config.h"
#include "core/parallel.h"
#include "core/tune.h"
#include "tuned_files.h"

namespace fastconv::bind {
namespace {

std::once_flag g_load_once;
std::atomic<bool> g_loaded{false};

// Arguments of tune_conv: those of prepare_conv, then these.
enum TuneArgument { kTuneInput = kConvArguments, kTunePlanned, kTuneSeconds, kTuneArguments };

py::dict described(const Measured& measured) {
  py::dict facts;
  facts["kernel"] = family_name(measured.plan.family);
  facts["threads"] = measured.plan.threads;
  facts["limit"] = measured.choice.limit;
  facts["cache"] = measured.choice.cache;
  facts["seconds"] = measured.seconds;
  facts["by_rule"] = measured.by_rule;
  return facts;
}

PyObject* tune(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded({"tune_conv", kWeight}, args, count, [&]() -> PyObject* {
    check_count(count, kTuneArguments);
    load_tuned();
    const ConvCall call = parse_planned(args);
    const ArrayView x = view_array(args[kTuneInput], "x");
    const ConvProblem& problem = call.problem;
    PlanOptions options = call.options;
    options.keeps_weights = parse_bool(args[kTunePlanned], "planned");
    const double seconds = parse_double(args[kTuneSeconds], "seconds");
    options.threads = max_threads();
    if (options.algorithm == Algorithm::automatic) options.algorithm = environment_algorithm();
    Index shape[kMostDims];
    const int ndim = output_shape(call, shape);
    const py::object y =
        new_array(problem.dtype, ndim, shape, call.channels_last, call.unbatched ? 0 : 1);
    const ArrayView bias = contiguous(call.bias);
    const ConvArrays arrays{x.data, call.weight.data, bias.data, view_own(y, problem.dtype).data};
    std::vector<Measured> ranked;
    Status status;
    {
      const py::gil_scoped_release released;
      status = tune_conv(problem, options, arrays, seconds, ranked);
    }
    check(status);
    py::list all;
    for (const Measured& measured : ranked) all.append(described(measured));
    return py::make_tuple(tuning_key(planned_problem(problem, options), options, active_isa()), all)
        .release()
        .ptr();
  });
}

void keep(const std::string& key, const std::string& kernel, int limit, int threads, Index cache) {
  const int family = kFamilyNames.find(kernel);
  if (family < 0 || limit < 1 || threads < 1 || threads > limit || limit > 4096 || cache < 1) {
    fail(ErrorKind::value, "no choice of this version: " + kernel + ", " + std::to_string(threads) +
                               " of " + std::to_string(limit) + " threads, " +
                               std::to_string(cache) + " bytes of cache");
  }
  keep_tuned(key, {static_cast<Family>(family), limit, threads, cache});
}

}  // namespace

void load_tuned() {
  if (g_loaded.load(std::memory_order_acquire)) return;
  // The first thread runs Python code, which may hand the interpreter to the others: they must not
  // hold it while they wait.
  const py::gil_scoped_release released;
  std::call_once(g_load_once, [] {
    const py::gil_scoped_acquire held;
    py::module_::import("fastconv._tuned_files").attr("load")();
    g_loaded.store(true, std::memory_order_release);
  });
}

void bind_tune(py::module_& m) {
  add_fast_function(m, "tune_conv", tune, "Measures the ways to compute a convolution.");
  m.def(
      "keep_tuned",
      [](const std::string& key, const std::string& kernel, int limit, int threads, Index cache) {
        translated([&] { keep(key, kernel, limit, threads, cache); });
      },
      py::arg("key"), py::arg("kernel"), py::arg("limit"), py::arg("threads"), py::arg("cache"),
      "Makes plans for the problem of this key follow a choice.");
  m.def("forget_tuned", &forget_tuned, "Makes plans follow the rules again.");
}

}  // namespace fastconv::bind
