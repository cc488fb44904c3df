// The tables of an instruction-set unit, filled with the generic kernels.

// Gradients, of any element type.
template <class T>
constexpr void add_gradients(DTypeTable& table) {
  table.weights_m = WeightTile<Acc<T>>::m;
  table.weights[static_cast<int>(WeightFamily::panels)] = weights_panels<T>;
  table.weights[static_cast<int>(WeightFamily::unfolded)] = weights_unfolded<T>;
  table.weights[static_cast<int>(WeightFamily::rows)] = weights_rows<T>;
  table.weights[static_cast<int>(WeightFamily::depthwise_last)] = weights_depthwise_last<T>;
  table.add_weights = add_weights<T>;
  table.channel_sums = sum_channels<T>;
  table.activation = activation_rows<T>;
  table.spread_planar = spread_planar<T>;
  table.spread_channels_last = spread_channels_last<T>;
}

template <class T>
constexpr DTypeTable generic_table() {
  DTypeTable table{};
  add_gradients<T>(table);
  table.width = Vec<T>::width;
  table.vector_bytes = Vec<T>::width * static_cast<int>(sizeof(Acc<T>));
  table.planar_m = PlanarShape<T>::m;
  table.planar_n = PlanarShape<T>::n;
  table.channels_last_m = LastShape<T>::m;
  table.channels_last_n = LastShape<T>::n;
  table.pixels_m = PixelShape<T>::m;
  table.pixels_n = PixelShape<T>::n;
  table.winograd_m = WinogradShape<T>::n;
  table.winograd_n = WinogradShape<T>::v * Vec<T>::width;
  table.conv[static_cast<int>(Family::plain)] = {nullptr, plain<T>};
  table.conv[static_cast<int>(Family::direct_planar)] = {pack_planar<T>, direct_planar<T>};
  table.conv[static_cast<int>(Family::direct_pixels)] = {pack_pixel_panels<T>, direct_pixels<T>};
  table.conv[static_cast<int>(Family::direct_channels_last)] = {pack_channels_last<T>,
                                                                channels_last<T, false>};
  table.conv[static_cast<int>(Family::rows)] = {nullptr, rows<T>};
  table.conv[static_cast<int>(Family::rows_in_place)] = {nullptr, rows_in_place<T>};
  table.conv[static_cast<int>(Family::depthwise_channels_last)] = {pack_depthwise<T>,
                                                                   depthwise_channels_last<T>};
  table.conv[static_cast<int>(Family::im2col_planar)] = {pack_planar<T>, im2col_planar<T>};
  table.conv[static_cast<int>(Family::im2col_channels_last)] = {pack_channels_last<T>,
                                                                channels_last<T, true>};
  if constexpr (sizeof(T) == sizeof(float)) {
    table.weights[static_cast<int>(WeightFamily::winograd)] = weights_winograd<T>;
    table.conv[static_cast<int>(Family::winograd_2x2)] = {pack_winograd<T, 2, 2>,
                                                          winograd<T, 2, 2>};
    table.conv[static_cast<int>(Family::winograd_4x4)] = {pack_winograd<T, 4, 4>,
                                                          winograd<T, 4, 4>};
    table.conv[static_cast<int>(Family::winograd_4x2)] = {pack_winograd<T, 4, 2>,
                                                          winograd<T, 4, 2>};
    table.conv[static_cast<int>(Family::winograd_3x3)] = {pack_winograd<T, 3, 3>,
                                                          winograd<T, 3, 3>};
  }
  table.conv[static_cast<int>(Family::transposed_planar)] = {pack_transposed<T>,
                                                             transposed_planar<T>};
  table.conv[static_cast<int>(Family::transposed_pixels)] = {pack_transposed_columns<T>,
                                                             transposed_pixels<T>};
  table.conv[static_cast<int>(Family::few_pixels)] = {nullptr, few_pixels<T>};
  table.channel_products = channel_products<T>;
  table.channel_affine = channel_affine<T>;
  table.descend = descend<T>;
  table.conv[static_cast<int>(Family::depthwise_turned)] = {nullptr, depthwise_turned<T>};
  table.conv[static_cast<int>(Family::fft)] = {nullptr, conv_fft<T>};
  table.pool_planar = pool_planar<T>;
  table.pool_channels_last = pool_channels_last<T>;
  table.fma_chain = fma_chain<T>;
  return table;
}

// Elements of 16 bits. Families without an entry are computed in float32 (core/conv_widen.h).
template <class T>
constexpr DTypeTable narrow_table() {
  DTypeTable table{};
  add_gradients<T>(table);
  table.width = Vec<T>::width;
  table.vector_bytes = Vec<T>::width * static_cast<int>(sizeof(Acc<T>));
  table.planar_m = PlanarShape<float>::m;
  table.planar_n = PlanarShape<float>::n;
  table.channels_last_m = LastShape<float>::m;
  table.channels_last_n = LastShape<float>::n;
  table.pixels_m = PixelShape<float>::m;
  table.pixels_n = PixelShape<float>::n;
  table.conv[static_cast<int>(Family::plain)] = {nullptr, plain<T>};
  table.conv[static_cast<int>(Family::depthwise_channels_last)] = {pack_depthwise<T>,
                                                                   depthwise_channels_last<T>};
  table.widen = widen_row<T>;
  table.narrow = narrow_row<T>;
  table.fma_chain = fma_chain<float>;
  return table;
}
