// Floats as sums of bfloat16 parts: x = x0 + x1 + x2, each the rest rounded to 8 bits.
//
// Three parts hold all 24 bits of a float. Of the nine products of two such sums, six keep float32
// accuracy (x0w0, x0w1, x1w0, x1w1, x0w2, x2w0: what is left out is below 2^-24 of |x||w|), two
// parts and three products keep 2^-16, one product 2^-8. See docs/numerics.md.
//
// The unit takes subnormal bfloat16 for zero. Both operands are therefore scaled by 2^24 while they
// are split: the last bit of the smallest float is then a normal number. Sums are scaled back as
// they are stored, where a vector instruction rounds them to subnormals as float32 arithmetic does.
// In exchange the largest numbers would overflow: beyond these limits, and for NaN, the call is
// declined.

static constexpr float kScale = 0x1p24f, kUnscale = 0x1p-48f;
static constexpr float kMostInput = 0x1p32f, kMostWeight = 0x1p28f;

static constexpr int kMostParts = 3;

// Words of two halves, (0, 16), (1, 17), ...: a pair of channels side by side for each pixel.
alignas(64) static constexpr unsigned short kPairs[32] = {
    0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
    8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};

// bfloat16 of `low` in the lower sixteen words, of `high` in the upper; to nearest even.
static inline __m512i round_both(__m512 high, __m512 low) {
#if FASTCONV_EMULATED_TILES
  const auto rounded = [](__m512 a) {
    const __m512i bits = _mm512_castps_si512(a);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(up, 16));
  };
  return _mm512_inserti64x4(_mm512_castsi256_si512(rounded(low)), rounded(high), 1);
#else
  const __m512bh both = _mm512_cvtne2ps_pbh(high, low);
  __m512i words;
  __builtin_memcpy(&words, &both, sizeof(words));
  return words;
#endif
}

// Whether a number is too large to be scaled, or NaN.
static inline __mmask16 beyond(__m512 a, float most) {
  return _mm512_cmp_ps_mask(_mm512_abs_ps(a), _mm512_set1_ps(most), _CMP_NLT_UQ);
}

static inline __m512 scaled(__m512 a) {
  return _mm512_mul_ps(a, _mm512_set1_ps(kScale));
}

// Parts of sixteen pairs, of scaled numbers: word 2i of a part is of first[i], word 2i+1 of
// second[i].
template <int Parts>
static inline void split_pairs(__m512 first, __m512 second, __m512i* part, int step) {
  const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
#pragma GCC unroll 3
  for (int p = 0; p < Parts; ++p) {
    const __m512i pairs =
        _mm512_permutexvar_epi16(_mm512_load_si512(kPairs), round_both(second, first));
    part[p * step] = pairs;
    if (p + 1 < Parts) {
      first = _mm512_sub_ps(first, _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)));
      second = _mm512_sub_ps(second, _mm512_castsi512_ps(_mm512_and_si512(pairs, upper)));
    }
  }
}

// Parts of 32 scaled numbers in a row.
template <int Parts>
static inline void split_row(__m512 low, __m512 high, __m512i (&part)[kMostParts]) {
  const auto widened = [](__m256i words) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(words), 16));
  };
#pragma GCC unroll 3
  for (int p = 0; p < Parts; ++p) {
    part[p] = round_both(high, low);
    if (p + 1 < Parts) {
      low = _mm512_sub_ps(low, widened(_mm512_castsi512_si256(part[p])));
      high = _mm512_sub_ps(high, widened(_mm512_extracti64x4_epi64(part[p], 1)));
    }
  }
}

// Transposes 16 x 16 words of 32 bits.
static inline void transpose_16(__m512i* r) {
  __m512i t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
}
