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
#if FASTCONV_HAS_AMX
extern const Unit kAmxUnit;
#endif

namespace {

template <const Unit& unit>
const Unit* unit_itself() {
  return &unit;
}

struct Entry {
  Isa isa;
  const Unit* (*unit)();
  bool (*runs_here)();
};

[[maybe_unused]] constexpr bool always() {
  return true;
}

#if FASTCONV_HAS_AMX
// A unit with the families that another leaves out.
Unit completed(const Unit& unit, const Unit& base) {
  Unit whole = base;
  whole.isa = unit.isa;
  whole.name = unit.name;
  for (int t = 0; t < kDTypes; ++t) {
    whole.table[t].product_chain = unit.table[t].product_chain;
    for (int f = 0; f < kFamilies; ++f) {
      if (unit.table[t].conv[f].run != nullptr) whole.table[t].conv[f] = unit.table[t].conv[f];
    }
  }
  return whole;
}
const Unit* amx_over_avx512() {
  static const Unit whole = completed(kAmxUnit, kAvx512Unit);
  return &whole;
}
#endif

// Best first.
const Entry kUnits[] = {
#if FASTCONV_HAS_AMX
    {Isa::amx, amx_over_avx512, cpu_has_amx},
#endif
#if FASTCONV_HAS_AVX512
    {Isa::avx512, unit_itself<kAvx512Unit>, cpu_has_avx512},
#endif
#if FASTCONV_HAS_AVX2
    {Isa::avx2, unit_itself<kAvx2Unit>, cpu_has_avx2},
#endif
#if FASTCONV_HAS_NEON
    {Isa::neon, unit_itself<kNeonUnit>, always},
#endif
    {Isa::scalar, unit_itself<kScalarUnit>, always},
};

}  // namespace

const Unit* find_unit(Isa isa) {
  for (const Entry& entry : kUnits) {
    if (entry.isa == isa) return entry.runs_here() ? entry.unit() : nullptr;
  }
  return nullptr;
}

Isa best_isa() {
  for (const Entry& entry : kUnits) {
    if (entry.runs_here()) return entry.isa;
  }
  return Isa::scalar;
}

std::string runnable_isas() {
  std::string text;
  for (const Entry& entry : kUnits) {
    if (!entry.runs_here()) continue;
    if (!text.empty()) text += ", ";
    text += std::string("'") + isa_name(entry.isa) + "'";
  }
  return text;
}

}  // namespace fastconv
