// Which instruction-set units are in this build and can run on this machine.
#pragma once

#include <string>

#include "core/unit.h"

namespace fastconv {

Isa best_isa();
std::string runnable_isas();  // 'avx512', 'avx2', 'scalar', best first

}  // namespace fastconv
