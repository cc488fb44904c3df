// The table of an instruction-set unit, filled with the generic kernels.

template <class T>
constexpr DTypeTable generic_table() {
  DTypeTable table{};
  table.width = Vec<T>::width;
  table.planar_m = PlanarShape<T>::m;
  table.planar_n = PlanarShape<T>::n;
  table.channels_last_m = LastShape<T>::m;
  table.channels_last_n = LastShape<T>::n;
  table.conv[static_cast<int>(Family::plain)] = {nullptr, plain<T>};
  table.conv[static_cast<int>(Family::direct_planar)] = {pack_planar<T>, direct_planar<T>};
  table.conv[static_cast<int>(Family::direct_pixels)] = {pack_channels_last<T>, direct_pixels<T>};
  table.conv[static_cast<int>(Family::direct_channels_last)] = {pack_channels_last<T>,
                                                                channels_last<T, false>};
  table.conv[static_cast<int>(Family::rows)] = {nullptr, rows<T>};
  table.conv[static_cast<int>(Family::depthwise_channels_last)] = {pack_depthwise<T>,
                                                                   depthwise_channels_last<T>};
  table.conv[static_cast<int>(Family::im2col_planar)] = {pack_planar<T>, im2col_planar<T>};
  table.conv[static_cast<int>(Family::im2col_channels_last)] = {pack_channels_last<T>,
                                                                channels_last<T, true>};
  table.pool_planar = pool_planar<T>;
  table.pool_channels_last = pool_channels_last<T>;
  table.fma_chain = fma_chain<T>;
  return table;
}
