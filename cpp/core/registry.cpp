#include "core/registry.h"

#include "core/cpu_features.h"
#include "core/names.h"

namespace fastconv {

// Each unit exports one table; see kernels/*/kernels.cpp.
#if FASTCONV_HAS_SCALAR
extern const Unit kScalarUnit;
#endif
#if FASTCONV_HAS_AVX2
extern const Unit kAvx2Unit;
#endif
#if FASTCONV_HAS_AVX512
extern const Unit kAvx512Unit;
#endif
#if FASTCONV_HAS_NEON
extern const Unit kNeonUnit;
#endif

namespace {

struct Entry {
  const Unit* unit;
  bool (*runs_here)();
};

constexpr bool always() {
  return true;
}

// Best first.
const Entry kUnits[] = {
#if FASTCONV_HAS_AVX512
    {&kAvx512Unit, cpu_has_avx512},
#endif
#if FASTCONV_HAS_AVX2
    {&kAvx2Unit, cpu_has_avx2},
#endif
#if FASTCONV_HAS_NEON
    {&kNeonUnit, always},
#endif
    {&kScalarUnit, always},
};

}  // namespace

const Unit* find_unit(Isa isa) {
  for (const Entry& entry : kUnits) {
    if (entry.unit->isa == isa) return entry.runs_here() ? entry.unit : nullptr;
  }
  return nullptr;
}

Isa best_isa() {
  for (const Entry& entry : kUnits) {
    if (entry.runs_here()) return entry.unit->isa;
  }
  return Isa::scalar;
}

std::string runnable_isas() {
  std::string text;
  for (const Entry& entry : kUnits) {
    if (!entry.runs_here()) continue;
    if (!text.empty()) text += ", ";
    text += std::string("'") + isa_name(entry.unit->isa) + "'";
  }
  return text;
}

}  // namespace fastconv
