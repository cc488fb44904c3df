// Runs every kernel on every instruction set of this machine, without Python.
//
// usage: fastconv_runner PROBLEM_FILE [--kernels-only]
//
// PROBLEM_FILE is written by export.py. FASTCONV_ISA limits the run to one instruction set. Ends
// with "N passed, N failed"; exit status 0 when all passed, 1 when some failed, 2 for a wrong call.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>

#include "conv_checks.h"
#include "core/config.h"
#include "core/names.h"
#include "core/registry.h"
#include "crash.h"
#include "fold_checks.h"
#include "gradient_checks.h"
#include "narrow_checks.h"
#include "pool_checks.h"
#include "vec_checks.h"

namespace fastconv {

#define FASTCONV_VEC_TABLES(isa)                   \
  namespace isa {                                  \
  extern const runner::VecTables kVecTables;       \
  extern const runner::NarrowTables kNarrowTables; \
  }
FASTCONV_VEC_TABLES(scalar)
#if FASTCONV_HAS_AVX2
FASTCONV_VEC_TABLES(avx2)
#endif
#if FASTCONV_HAS_AVX512
FASTCONV_VEC_TABLES(avx512)
#endif
#if FASTCONV_HAS_NEON
FASTCONV_VEC_TABLES(neon)
#endif

namespace runner {
namespace {

struct Tables {
  const VecTables* whole;
  const NarrowTables* narrow;
};

constexpr Tables kTables[] = {
    {&scalar::kVecTables, &scalar::kNarrowTables},
#if FASTCONV_HAS_AVX2
    {&avx2::kVecTables, &avx2::kNarrowTables},
#endif
#if FASTCONV_HAS_AVX512
    {&avx512::kVecTables, &avx512::kNarrowTables},
#endif
#if FASTCONV_HAS_NEON
    {&neon::kVecTables, &neon::kNarrowTables},
#endif
};

// Makes `isa` the active one; false where it is not asked for or cannot run here.
bool select(Isa isa) {
  const std::string name = isa_name(isa);
  const char* only = std::getenv("FASTCONV_ISA");
  if (only != nullptr && name != only) return false;
  if (find_unit(isa) == nullptr) {
    std::printf("%-48s not run: this machine lacks it\n", name.c_str());
    return false;
  }
  if (const Status status = force_isa(isa); !status.ok()) throw std::runtime_error(status.message);
  return true;
}

int run(const char* path, bool kernels_only) {
  const std::vector<Record> records = read_problems(path);
  const Status& environment = environment_status();
  if (!environment.ok()) throw std::runtime_error(environment.message);
  Report report;
  for (const auto [tables, narrow] : kTables) {
    if (!select(tables->isa)) continue;
    if (!kernels_only) {
      check_vec(*tables, report);
      check_narrow(tables->isa, *narrow, report);
      check_activations(*tables, report);
      report.print_groups();
    }
    check_conv(records, tables->isa, report);
    check_gradients(records, tables->isa, report);
    check_pool(records, tables->isa, report);
  }
#if FASTCONV_HAS_AMX
  // The unit of the matrix unit has no vector type of its own.
  if (select(Isa::amx)) check_conv(records, Isa::amx, report);
#endif
  check_fold(records, report);
  return report.finish();
}

}  // namespace
}  // namespace runner
}  // namespace fastconv

int main(int count, char** arguments) {
  const bool kernels_only = count == 3 && std::strcmp(arguments[2], "--kernels-only") == 0;
  if (count != 2 && !kernels_only) {
    std::fprintf(stderr, "usage: %s PROBLEM_FILE [--kernels-only]\n", arguments[0]);
    return 2;
  }
  fastconv::runner::report_crashes();
  try {
    return fastconv::runner::run(arguments[1], kernels_only);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", arguments[0], error.what());
    return 2;
  }
}
