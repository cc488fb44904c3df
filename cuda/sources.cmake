# What the CUDA backend is made of, for the library (cmake/cuda.cmake) and, without FASTCONV_CUDA_ONLY
# (what asks the CUDA runtime), for the tests that run it as host code (tests/cuda/runner).
set(FASTCONV_CUDA_SOURCES
  cuda/launch/choose_conv.cpp
  cuda/launch/choose_pool.cpp
  cuda/launch/explain_conv.cpp
  cuda/launch/registry.cpp
  cuda/launch/schedule_gemm.cpp
  cuda/kernels/conv_direct.cu
  cuda/kernels/conv_gemm.cu
  cuda/kernels/activations.cu
  cuda/kernels/copy.cu
  cuda/kernels/fill.cu
  cuda/kernels/fold.cu
  cuda/kernels/pool.cu
  cuda/kernels/pool_gradient.cu
  cuda/kernels/unpool.cu)
set(FASTCONV_CUDA_ONLY
  cuda/launch/device_traits.cu
  cuda/launch/runtime.cu)
