// The spelling of every named option, once: what Python passes, errors list and explain prints.
#pragma once

#include <fastconv/plan.h>

#include <string>
#include <string_view>

namespace fastconv {

// Each enumeration's names, indexed by its value.
struct NameList {
  const char* what;  // the argument, for messages
  const char* const* names;
  int count;

  int find(std::string_view name) const;  // -1 when unknown
  std::string listed() const;             // 'a', 'b', 'c'
};

extern const NameList kDTypeNames, kIsaNames, kAlgorithmNames, kActivationNames, kPrecisionNames,
    kBoundaryNames, kFamilyNames;

const char* isa_name(Isa isa);
const char* dtype_name(DType dtype);
const char* algorithm_name(Algorithm algorithm);

}  // namespace fastconv
