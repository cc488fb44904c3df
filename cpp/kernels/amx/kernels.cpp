// The amx unit: the families that the matrix unit takes; all others are those of the avx512 unit.
#include "kernels/avx512/narrow.h"
#include "tiles.h"

#include "core/fft.h"
#include "core/grid.h"
#include "core/matrix_grid.h"
#include "core/unit.h"
#include "kernels/avx512/vec.h"

namespace fastconv {
namespace amx {
using avx512::Vec;
// clang-format off: sorting would break the order.
#include "kernels/generic/activation.inl"
#include "kernels/generic/support.inl"
#include "split.inl"
#include "tile_product.inl"
#include "pack_weights.inl"
#include "pack_input.inl"
#include "tile_store.inl"
#include "conv_matrix.inl"
#include "kernels/generic/unfold.inl"
#include "conv_matrix_unfolded.inl"
#include "product_chain.inl"
#include "precision.inl"
// clang-format on
}  // namespace amx

extern const Unit kAmxUnit;
constinit const Unit kAmxUnit = {
    Isa::amx,
    "amx",
    {amx::matrix_table<float>(), {}, amx::matrix_table<Half>(), amx::matrix_table<BFloat16>()}};

}  // namespace fastconv
