// Launching a kernel: the only place that does, on a GPU and in the shim.
#pragma once

#include <fastconv/status.h>

#include <cstddef>
#include <cstdio>
#include <string>
#include <tuple>

#include "cuda/device.h"
#include "cuda/fastconv_cuda.h"

namespace fastconv::cuda {

struct Launch {
  dim3 grid, block;
  std::size_t shared_bytes = 0;
  Stream stream = nullptr;
  const char* name = "";
};

inline std::string launch_text(const Launch& how) {
  char text[256];
  std::snprintf(text, sizeof text,
                "kernel %s, grid (%u, %u, %u), block (%u, %u, %u), %zu bytes of shared memory",
                how.name, how.grid.x, how.grid.y, how.grid.z, how.block.x, how.block.y, how.block.z,
                how.shared_bytes);
  return text;
}

// Blocks that `items` make at `per_block` each, with a limit: kernels with more items than threads
// go on in steps of the whole grid.
inline unsigned grid_blocks(Index items, Index per_block, Index most = Index{1} << 30) {
  return static_cast<unsigned>(smaller(most, ceil_div(items, per_block)));
}

#if defined(FASTCONV_CUDA_SHIM)

template <class... Parameters, class... Arguments>
Status launch(void (*kernel)(Parameters...), const Launch& how, const Arguments&... arguments) {
  const std::tuple<Parameters...> values(static_cast<Parameters>(arguments)...);
  shim::run_grid({how.grid.x, how.grid.y, how.grid.z}, {how.block.x, how.block.y, how.block.z},
                 how.shared_bytes, [&] { std::apply(kernel, values); });
  return {};
}

#else

// The status of a CUDA call; `what` says what was tried. Clears an error that is not sticky.
inline Status cuda_status(cudaError_t error, const std::string& what) {
  if (error == cudaSuccess) return {};
  (void)cudaGetLastError();
  const StatusCode code =
      error == cudaErrorMemoryAllocation ? StatusCode::memory : StatusCode::unavailable;
  return Status::error(
      code, what + ": " + cudaGetErrorName(error) + " (" + cudaGetErrorString(error) + ")");
}

template <class... Parameters, class... Arguments>
Status launch(void (*kernel)(Parameters...), const Launch& how, const Arguments&... arguments) {
  constexpr std::size_t kWithoutAsking = std::size_t{48} << 10;
  if (how.grid.x == 0 || how.grid.y == 0 || how.grid.z == 0) return {};
  const void* function = reinterpret_cast<const void*>(kernel);
  if (how.shared_bytes > kWithoutAsking) {
    const cudaError_t error = cudaFuncSetAttribute(
        function, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(how.shared_bytes));
    if (error != cudaSuccess) return cuda_status(error, launch_text(how));
  }
  std::tuple<Parameters...> values(static_cast<Parameters>(arguments)...);
  const cudaError_t error = std::apply(
      [&](auto&... value) {
        void* addresses[] = {const_cast<void*>(static_cast<const void*>(&value))..., nullptr};
        return cudaLaunchKernel(function, how.grid, how.block, addresses, how.shared_bytes,
                                static_cast<cudaStream_t>(how.stream));
      },
      values);
  return error == cudaSuccess ? Status{} : cuda_status(error, launch_text(how));
}

#endif

// Calls `visit` with a null pointer to the element type that a dtype names:
//   return with_element(p.dtype, [&](auto* element) {
//     using T = std::remove_pointer_t<decltype(element)>; ... });
template <class Visit>
Status with_element(DType dtype, const Visit& visit) {
  switch (dtype) {
    case DType::float32:
      return visit(static_cast<float*>(nullptr));
    case DType::float64:
      return visit(static_cast<double*>(nullptr));
    case DType::float16:
      return visit(static_cast<Half*>(nullptr));
    default:
      return visit(static_cast<BFloat16*>(nullptr));
  }
}

}  // namespace fastconv::cuda
