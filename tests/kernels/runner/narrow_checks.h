// Checks of the 16-bit vector types of one instruction set.
#pragma once

#include "narrow_table.h"
#include "report.h"

namespace fastconv::runner {

// Every pattern of 16 bits loaded; numbers around every rounding boundary stored; partial loads and
// stores against unmapped pages on both sides.
void check_narrow(Isa isa, const NarrowTables& tables, Report& report);

}  // namespace fastconv::runner
