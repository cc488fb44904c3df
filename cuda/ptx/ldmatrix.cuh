// Four matrices of 8 rows of 16 bytes from shared memory into the registers of a warp (PTX ISA,
// ldmatrix). Lane l gives the address of row l % 8 of matrix l / 8; its register i receives the
// 32-bit word l % 4 of row l / 4 of matrix i: the layout in which mma takes its operands.
#pragma once

#include "cuda/device.h"

#if defined(FASTCONV_CUDA_SHIM)
#include "tensor_core.h"
#endif

namespace fastconv::cuda {

__device__ __forceinline__ void load_matrices(unsigned (&to)[4], const void* row) {
#if defined(FASTCONV_CUDA_SHIM)
  shim::load_matrices(to, row);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];\n"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(static_cast<unsigned>(__cvta_generic_to_shared(row)))
               : "memory");
#endif
}

}  // namespace fastconv::cuda
