// Every generic kernel, in the order in which they need each other. A unit includes this file inside
// its namespace, after its vec.h.
// clang-format off: sorting would break the order.
#include "activation.inl"
#include "support.inl"
#include "planar_tile.inl"
#include "planar_pack.inl"
#include "planar_store.inl"
#include "conv_direct_planar.inl"
#include "conv_im2col_planar.inl"
#include "channels_last_tile.inl"
#include "conv_channels_last.inl"
#include "conv_depthwise_channels_last.inl"
#include "conv_rows.inl"
#include "conv_plain.inl"
#include "pool_planar.inl"
#include "pool_channels_last.inl"
#include "fma_chain.inl"
#include "unit_table.inl"
