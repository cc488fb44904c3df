#include "core/cpu_features.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>

namespace fastconv {

#if defined(__x86_64__)
bool cpu_has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("f16c");
}
bool cpu_has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && cpu_has_avx2();
}
bool cpu_has_amx() {
#if FASTCONV_EMULATED_TILES
  return cpu_has_avx512();
#elif defined(__linux__)
  // Tiles enlarge what the system saves of a thread, so a process asks for them once.
  static const bool has = [] {
    constexpr long kRequestState = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE
    unsigned a = 0, b = 0, c = 0, d = 0, a1 = 0, b1 = 0, c1 = 0, d1 = 0;
    if (!cpu_has_avx512() || __get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 ||
        __get_cpuid_count(7, 1, &a1, &b1, &c1, &d1) == 0) {
      return false;
    }
    const bool tiles = (d >> 24 & 1u) != 0, products = (d >> 22 & 1u) != 0;
    const bool rounding = (a1 >> 5 & 1u) != 0;  // AVX512_BF16
    return tiles && products && rounding && syscall(SYS_arch_prctl, kRequestState, kTileData) == 0;
  }();
  return has;
#else
  return false;
#endif
}
bool cpu_halves_avx512() {
  static const bool halves = [] {
    constexpr unsigned kZen4 = 0x19;  // the family; Zen 3, the same, knows no AVX-512
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!cpu_has_avx512() || !__builtin_cpu_is("amd") || __get_cpuid(1, &a, &b, &c, &d) == 0) {
      return false;
    }
    return (a >> 8 & 0xFu) + (a >> 20 & 0xFFu) == kZen4;
  }();
  return halves;
}
#else
bool cpu_halves_avx512() {
  return false;
}
bool cpu_has_amx() {
  return false;
}
bool cpu_has_avx2() {
  return false;
}
bool cpu_has_avx512() {
  return false;
}
#endif

std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("model name", 0) == 0) {
      const std::size_t colon = line.find(": ");
      if (colon != std::string::npos) return line.substr(colon + 2);
    }
  }
  return "unknown processor";
}

std::size_t second_level_cache() {
  static const std::size_t size = [] {
    const long told = sysconf(_SC_LEVEL2_CACHE_SIZE);
    return told > 0 ? static_cast<std::size_t>(told) : std::size_t{512} << 10;
  }();
  return size;
}

}  // namespace fastconv
