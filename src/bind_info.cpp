#include <pybind11/stl.h>

#include "arguments.h"
#include "bind_errors.h"
#include "bindings.h"
#include "core/config.h"
#include "core/cpu_features.h"
#include "core/gradient.h"
#include "core/measure.h"
#include "core/names.h"
#include "core/parallel.h"
#include "core/registry.h"
#include "result_memory.h"

namespace fastconv::bind {
namespace {

int named(const std::string& text, const NameList& list, const char* name) {
  const int found = list.find(text);
  if (found < 0) {
    fail(ErrorKind::value,
         std::string(name) + " is '" + text + "'; it must be one of " + list.listed());
  }
  return found;
}

std::vector<std::string> runnable() {
  std::vector<std::string> names;
  for (int i = kIsas - 1; i >= 0; --i) {
    if (find_unit(static_cast<Isa>(i)) != nullptr)
      names.emplace_back(isa_name(static_cast<Isa>(i)));
  }
  return names;
}

std::vector<std::string> listed(const NameList& list) {
  return {list.names, list.names + list.count};
}

py::dict info() {
  py::dict facts;
  facts["cpu"] = cpu_model();
  facts["isa"] = isa_name(active_isa());
  facts["runnable_isas"] = runnable();
  facts["threads"] = max_threads();
  facts["second_level_cache"] = second_level_cache();
#if defined(__VERSION__)
  facts["compiler"] = __VERSION__;
#endif
  facts["algorithm"] = algorithm_name(environment_algorithm());
  facts["algorithms"] = listed(kAlgorithmNames);
  facts["activations"] = listed(kActivationNames);
  facts["precisions"] = listed(kPrecisionNames);
  facts["cuda"] = FASTCONV_CUDA_BUILD;
  return facts;
}

void force(const std::optional<std::string>& name) {
  if (!name) return release_isa();
  const int found = named(*name, kIsaNames, "isa");
  check(force_isa(static_cast<Isa>(found)));
}

void force_weight_kernel(const std::optional<std::string>& name) {
  if (!name) return force_weight_family(-1);
  std::string allowed;
  for (int i = 0; i < kWeightFamilies; ++i) {
    if (*name == kWeightFamilyNames[i]) return force_weight_family(i);
    allowed += std::string("'") + kWeightFamilyNames[i] + "', ";
  }
  fail(ErrorKind::value, "name is '" + *name + "'; it must be " + allowed + "or None");
}

void set_threads(py::handle count) {
  if (count.is_none()) return set_num_threads(0);
  const Index value = parse_int(count.ptr(), "count");
  if (value < 1 || value > 4096) {
    fail(ErrorKind::value,
         "count is " + shown(count.ptr()) + "; it must be from 1 to 4096, or None for the default");
  }
  set_num_threads(static_cast<int>(value));
}

double fma(const std::string& isa, const std::string& dtype, int threads) {
  double gflops = 0.0;
  const auto unit = static_cast<Isa>(named(isa, kIsaNames, "isa"));
  const auto type = static_cast<DType>(named(dtype, kDTypeNames, "dtype"));
  Status status;
  {
    const py::gil_scoped_release released;
    status = measure_fma(unit, type, threads, gflops);
  }
  check(status);
  return gflops;
}

std::optional<double> matrix(const std::string& isa, int threads) {
  double gflops = 0.0;
  const auto unit = static_cast<Isa>(named(isa, kIsaNames, "isa"));
  Status status;
  {
    const py::gil_scoped_release released;
    status = measure_matrix(unit, threads, gflops);
  }
  check(status);
  return gflops > 0.0 ? std::optional<double>(gflops) : std::nullopt;
}

double copy(std::size_t bytes, int threads) {
  double gigabytes = 0.0;
  Status status;
  {
    const py::gil_scoped_release released;
    status = measure_copy(bytes, threads, gigabytes);
  }
  check(status);
  return gigabytes;
}

}  // namespace

void bind_info(py::module_& m) {
  m.def(
      "check_environment", [] { translated([] { check(environment_status()); }); },
      "Raises where a FASTCONV_* environment variable has a wrong value.");
  m.def("info", [] { return info(); }, "Facts about this build and this machine.");
  m.def(
      "force_isa", [](const std::optional<std::string>& name) { translated([&] { force(name); }); },
      py::arg("name"), "Runs this instruction set's kernels from now on; None: the default.");
  m.def(
      "force_weight_kernel",
      [](const std::optional<std::string>& name) {
        translated([&] { force_weight_kernel(name); });
      },
      py::arg("name"), "Computes weight gradients by one kernel; None returns to choosing.");
  m.def("get_num_threads", &max_threads, "Threads that the next call may use.");
  m.def(
      "set_num_threads", [](py::handle count) { translated([&] { set_threads(count); }); },
      py::arg("count"));
  m.def("free_result_memory", &free_kept_results,
        "Gives the memory kept for results back; returns its bytes.");
  m.def(
      "measure_fma",
      [](const std::string& isa, const std::string& dtype, int threads) {
        return translated([&] { return fma(isa, dtype, threads); });
      },
      py::arg("isa"), py::arg("dtype"), py::arg("threads"),
      "Fused multiply-add ceiling in GFLOP/s.");
  m.def(
      "measure_matrix",
      [](const std::string& isa, int threads) {
        return translated([&] { return matrix(isa, threads); });
      },
      py::arg("isa"), py::arg("threads"),
      "Ceiling of the matrix unit in GFLOP/s of bfloat16 products; None without one.");
  m.def(
      "measure_copy",
      [](std::size_t bytes, int threads) {
        return translated([&] { return copy(bytes, threads); });
      },
      py::arg("bytes"), py::arg("threads"), "Copy bandwidth in GB/s, reads and writes counted.");
}

}  // namespace fastconv::bind
