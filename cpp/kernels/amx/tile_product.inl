// The innermost loop on the matrix unit: sums of M tiles of 16 pixels x N tiles of 16 output
// channels, over blocks of 32 input channels and kernel elements.
//
// With M = N = 2 four tiles of sums, two of pixels and two of weights fill the eight registers, and
// six products of parts take 14 tile loads for 24 products: each part of the pixels is loaded once,
// part 0 of the weights twice. Pixel tiles are consecutive positions of a packed strip, one cache
// line each, so every load is aligned whatever the kernel element; were weights the rows and pixels
// the columns, a shift by one pixel would straddle lines. Weights stream from the second-level
// cache; those of the next step are prefetched into the first.

struct MatrixSteps {
  const Index* pixel_shift;       // of each kernel element, in bytes of one part of the strip
  const Index* weight_shift;      // of each kernel element, in bytes of a block of the panel
  Index count;                    // kernel elements
  Index blocks;                   // of 32 input channels
  Index pixel_block, pixel_part;  // bytes between blocks, and between parts, of the strip
  Index weight_block;             // bytes between blocks of the panel
};

template <int M>
static inline void load_pixels(Tiles& tiles, const char* a, Index second) {
  tiles.load<4>(a, kTileLine);
  if constexpr (M > 1) tiles.load<5>(a + second, kTileLine);
}

template <int N>
static inline void load_weights(Tiles& tiles, const char* w) {
  tiles.load<6>(w, kTileLine);
  if constexpr (N > 1) tiles.load<7>(w + kTileBytes, kTileLine);
}

template <int M, int N>
static inline void multiply(Tiles& tiles) {
  tiles.multiply<0, 4, 6>();
  if constexpr (N > 1) tiles.multiply<1, 4, 7>();
  if constexpr (M > 1) tiles.multiply<2, 5, 6>();
  if constexpr (M > 1 && N > 1) tiles.multiply<3, 5, 7>();
}

// Tiles of one part of the next step.
template <int N>
static inline void prefetch_tiles(const char* at) {
#pragma GCC unroll 32
  for (int i = 0; i < N * kTileRows; ++i) _mm_prefetch(at + i * kTileLine, _MM_HINT_T0);
}

// Adds to the tiles of sums 0 .. 3 (pixels m, channels n: 2*m + n).
template <int Parts, int M, int N>
[[gnu::noinline]] static void matrix_product(Tiles& tiles, const MatrixSteps& steps,
                                             const char* pixels, Index second, const char* panel) {
  constexpr Index kPart = N * kTileBytes;
  for (Index b = 0; b < steps.blocks; ++b) {
    for (Index t = 0; t < steps.count; ++t) {
      const char* a = pixels + steps.pixel_shift[t];
      const char* w = panel + steps.weight_shift[t];
      const char* next = w + Parts * kPart;
      load_pixels<M>(tiles, a, second);
      if constexpr (Parts == 3) {
        load_weights<N>(tiles, w + 2 * kPart);
        multiply<M, N>(tiles);
        prefetch_tiles<N>(next + 2 * kPart);
      }
      if constexpr (Parts == 2) {
        load_weights<N>(tiles, w + kPart);
        multiply<M, N>(tiles);
        prefetch_tiles<N>(next + kPart);
      }
      load_weights<N>(tiles, w);
      multiply<M, N>(tiles);
      prefetch_tiles<N>(next);
      if constexpr (Parts == 2) {
        load_pixels<M>(tiles, a + steps.pixel_part, second);
        multiply<M, N>(tiles);
      }
      if constexpr (Parts == 3) {
        load_weights<N>(tiles, w + kPart);
        multiply<M, N>(tiles);
        prefetch_tiles<N>(next + kPart);
        load_pixels<M>(tiles, a + steps.pixel_part, second);
        multiply<M, N>(tiles);
        load_weights<N>(tiles, w);
        multiply<M, N>(tiles);
        load_pixels<M>(tiles, a + 2 * steps.pixel_part, second);
        multiply<M, N>(tiles);
      }
    }
    pixels += steps.pixel_block;
    panel += steps.weight_block;
  }
}
