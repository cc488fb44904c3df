// The matrix unit: eight tiles of 16 rows x 64 bytes, and the product of two tiles of bfloat16.
//
// With FASTCONV_EMULATED_TILES the same operations run on an array in memory, so that the kernels
// are tested on machines without the unit. The emulation rounds and flushes as the unit does: two
// products of a pair are added one after the other, to nearest even, subnormals count as zero.
#pragma once

#include <immintrin.h>

#include <cstddef>

namespace fastconv::amx {

inline constexpr int kTileRows = 16;     // of a tile of sums: pixels
inline constexpr int kTileCols = 16;     // of a tile of sums: output channels
inline constexpr int kTileDepth = 32;    // channels that one product sums over
inline constexpr int kTileBytes = 1024;  // 16 rows x 64 bytes
inline constexpr int kTileLine = 64;     // bytes of a row

#if FASTCONV_EMULATED_TILES

struct EmulatedTile {
  alignas(64) float row[kTileRows][kTileCols];
};

// What the unit keeps per thread is here a member of the task.
struct Tiles {
  EmulatedTile tile[8];

  template <int T>
  void zero() {
    __builtin_memset(&tile[T], 0, sizeof(EmulatedTile));
  }
  template <int T>
  void load(const void* from, std::ptrdiff_t step) {
    for (int r = 0; r < kTileRows; ++r) {
      __builtin_memcpy(tile[T].row[r], static_cast<const char*>(from) + r * step, kTileLine);
    }
  }
  template <int T>
  void store(void* to, std::ptrdiff_t step) {
    for (int r = 0; r < kTileRows; ++r) {
      __builtin_memcpy(static_cast<char*>(to) + r * step, tile[T].row[r], kTileLine);
    }
  }
  // sums[m][n] += a[m][2k]*b[k][2n] + a[m][2k+1]*b[k][2n+1] for all k.
  template <int Sums, int A, int B>
  void multiply() {
    const __m512i high = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
    for (int m = 0; m < kTileRows; ++m) {
      __m512 sum = _mm512_load_ps(tile[Sums].row[m]);
      for (int k = 0; k < kTileDepth / 2; ++k) {
        const __m512i pair = _mm512_load_si512(tile[B].row[k]);
        unsigned both;
        __builtin_memcpy(&both, &tile[A].row[m][k], sizeof(both));
        const __m512i a = _mm512_set1_epi32(static_cast<int>(both));
        sum = step(_mm512_slli_epi32(a, 16), _mm512_slli_epi32(pair, 16), sum);
        sum = step(_mm512_and_si512(a, high), _mm512_and_si512(pair, high), sum);
      }
      _mm512_store_ps(tile[Sums].row[m], sum);
    }
  }

 private:
  static __m512 flush(__m512 a) {
    const __mmask16 tiny =
        _mm512_cmp_ps_mask(_mm512_abs_ps(a), _mm512_set1_ps(0x1p-126f), _CMP_LT_OQ);
    return _mm512_maskz_mov_ps(static_cast<__mmask16>(~tiny), a);
  }
  static __m512 step(__m512i a, __m512i b, __m512 sum) {
    return flush(
        _mm512_fmadd_ps(flush(_mm512_castsi512_ps(a)), flush(_mm512_castsi512_ps(b)), sum));
  }
};

#else

// Holds the thread's tile configuration for as long as it lives.
struct Tiles {
  Tiles() {
    struct alignas(64) {
      unsigned char palette = 1, start_row = 0, reserved[14] = {};
      unsigned short bytes[16] = {};
      unsigned char rows[16] = {};
    } shape;
    for (int t = 0; t < 8; ++t) {
      shape.bytes[t] = kTileLine;
      shape.rows[t] = kTileRows;
    }
    asm volatile("ldtilecfg %0" : : "m"(shape));
  }
  ~Tiles() { asm volatile("tilerelease"); }
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;

  // Written out because the compiler's intrinsics take tile numbers as text, not as constants.
  template <int T>
  void zero() {
    asm volatile("tilezero %%tmm%c0" : : "i"(T));
  }
  template <int T>
  void load(const void* from, std::ptrdiff_t step) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(step), "i"(T) : "memory");
  }
  template <int T>
  void store(void* to, std::ptrdiff_t step) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(step), "i"(T) : "memory");
  }
  // sums[m][n] += a[m][2k]*b[k][2n] + a[m][2k+1]*b[k][2n+1] for all k.
  template <int Sums, int A, int B>
  void multiply() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(Sums), "i"(A), "i"(B));
  }
};

#endif

}  // namespace fastconv::amx
