// What this machine's processor and operating system can run. Compiled at baseline.
#pragma once

#include <cstddef>
#include <string>

namespace fastconv {

bool cpu_has_avx2();    // AVX2, FMA3 and F16C
bool cpu_has_avx512();  // F, BW, DQ and VL
bool cpu_has_amx();     // tiles of bfloat16, granted to this process, and all of the above
// Whether vectors of AVX-512 take its units twice: one multiply-add in a cycle instead of two.
bool cpu_halves_avx512();
std::string cpu_model();

// Bytes of one core's second-level cache; a common size where the system does not tell.
std::size_t second_level_cache();

}  // namespace fastconv
