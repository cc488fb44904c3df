# The CUDA backend as a static library, fastconv_cuda, where nvcc is found. FASTCONV_CUDA_BUILT says
# whether it is part of this build, FASTCONV_CUDA_REASON why not.
if(NOT FASTCONV_CUDA MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "FASTCONV_CUDA is '${FASTCONV_CUDA}'; it can be AUTO, ON or OFF.")
endif()
include(cuda/sources.cmake)

set(FASTCONV_CUDA_BUILT OFF)
set(FASTCONV_CUDA_REASON "built with FASTCONV_CUDA=OFF")
if(NOT FASTCONV_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    set(FASTCONV_CUDA_BUILT ON)
    set(FASTCONV_CUDA_REASON "")
  elseif(FASTCONV_CUDA STREQUAL "ON")
    message(FATAL_ERROR "FASTCONV_CUDA=ON, but no working nvcc was found. Put it on PATH, or name it "
      "with CMAKE_CUDA_COMPILER or the environment variable CUDACXX; or use FASTCONV_CUDA=OFF.")
  else()
    set(FASTCONV_CUDA_REASON "built where nvcc was not found")
  endif()
endif()

if(FASTCONV_CUDA_BUILT)
  # Code for the chips of data centres, and PTX from which drivers make code for all others from
  # Turing on: of the oldest for what lies between, of the newest for what comes after.
  set(FASTCONV_CUDA_ARCHITECTURES "75-virtual;80-real;90" CACHE STRING
    "Compute capabilities to compile for, as in CMAKE_CUDA_ARCHITECTURES")
  set(CMAKE_CUDA_ARCHITECTURES "${FASTCONV_CUDA_ARCHITECTURES}")
  enable_language(CUDA)
  set(CMAKE_CUDA_STANDARD 20)
  set(CMAKE_CUDA_STANDARD_REQUIRED ON)
  set(CMAKE_CUDA_RUNTIME_LIBRARY Static)

  add_library(fastconv_cuda STATIC ${FASTCONV_CUDA_SOURCES} ${FASTCONV_CUDA_ONLY})
  target_include_directories(fastconv_cuda PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}
    ${CMAKE_CURRENT_SOURCE_DIR}/cpp)
  target_link_libraries(fastconv_cuda PUBLIC fastconv)
  target_compile_options(fastconv_cuda PRIVATE
    $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wconversion>
    $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra>
    $<$<COMPILE_LANGUAGE:CUDA>:-Xfatbin=-compress-all>)
  if(FASTCONV_WERROR)
    target_compile_options(fastconv_cuda PRIVATE
      $<$<COMPILE_LANGUAGE:CXX>:-Werror>
      $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings>)
  endif()
endif()
