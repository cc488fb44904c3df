// The ceiling: products of tiles into four accumulators, nothing else.

static double product_chain(Index count) {
  Tiles tiles;
  alignas(64) static constexpr char kZeros[kTileBytes] = {};
  load_pixels<2>(tiles, kZeros, 0);
  load_weights<1>(tiles, kZeros);
  tiles.load<7>(kZeros, kTileLine);
  begin_sums<2, 2>(tiles, nullptr);
  for (Index i = 0; i < count; i += 4) multiply<2, 2>(tiles);
  alignas(64) float sums[4 * kTileBytes / 4];
  end_sums<2, 2>(tiles, sums);
  return static_cast<double>(sums[0]);
}
