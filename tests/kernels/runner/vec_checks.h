// Checks of one instruction set's vector type and of the activations written over it.
#pragma once

#include "report.h"
#include "vec_table.h"

namespace fastconv::runner {

// Every member of Vec, for every element count and many operand values, against plain C++. Partial
// loads and stores run against unmapped pages on both sides.
void check_vec(const VecTables& tables, Report& report);

// Dense samples of every activation against the C library in a wider type.
void check_activations(const VecTables& tables, Report& report);

}  // namespace fastconv::runner
