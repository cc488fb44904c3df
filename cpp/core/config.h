// What is forced from outside: the environment, read once, and settings made at run time.
#pragma once

#include <fastconv/problem.h>
#include <fastconv/status.h>
#include <cstddef>
#include <optional>

namespace fastconv {

// FASTCONV_ISA, FASTCONV_ALGORITHM, FASTCONV_NUM_THREADS, FASTCONV_PRECISION,
// FASTCONV_RESULT_POOL: an error names the variable and lists the right values. Checked once when
// the library is first used.
const Status& environment_status();

// The instruction set in force: set by force_isa(), else FASTCONV_ISA, else the best of the
// machine.
Isa active_isa();
Status force_isa(Isa isa);
void release_isa();  // back to the default

Algorithm environment_algorithm();  // automatic unless FASTCONV_ALGORITHM says otherwise
int environment_threads();          // 0 unless FASTCONV_NUM_THREADS says otherwise
Precision environment_precision();  // highest unless FASTCONV_PRECISION says otherwise
// Bytes of freed results that are kept at most, where FASTCONV_RESULT_POOL says so.
std::optional<std::size_t> environment_result_pool();

}  // namespace fastconv
