# The extension modules: _core computes with libfastconv, _cuda with the CUDA backend. Bindings are
# linked into both, each beside arrays and a backend of its own (src/backend.h).

# pip builds each time in an environment of a new name, from which pybind11's headers look new, so that
# a second installation compiled all bindings again. Copies keep their place, and their time where
# they do not differ.
file(GLOB_RECURSE headers RELATIVE ${pybind11_INCLUDE_DIR} ${pybind11_INCLUDE_DIR}/pybind11/*.h)
foreach(header IN LISTS headers)
  cmake_path(GET header PARENT_PATH folder)
  file(MAKE_DIRECTORY ${FASTCONV_HEADER_COPIES}/${folder})
  file(COPY_FILE ${pybind11_INCLUDE_DIR}/${header} ${FASTCONV_HEADER_COPIES}/${header}
    ONLY_IF_DIFFERENT)
endforeach()
set_target_properties(pybind11::pybind11_headers PROPERTIES
  INTERFACE_INCLUDE_DIRECTORIES ${FASTCONV_HEADER_COPIES})

add_library(fastconv_bindings OBJECT
  src/array_memory.cpp
  src/arguments.cpp
  src/bind_activation.cpp
  src/bind_conv.cpp
  src/bind_errors.cpp
  src/bind_fold.cpp
  src/bind_gradient.cpp
  src/bind_image.cpp
  src/bind_plan.cpp
  src/bind_pool.cpp
  src/bind_pool_gradient.cpp
  src/conv_call.cpp
  src/fast_function.cpp
  src/pool_call.cpp
  src/unpool_call.cpp)
target_include_directories(fastconv_bindings PRIVATE src cpp)
target_link_libraries(fastconv_bindings PRIVATE fastconv pybind11::module)
set_target_properties(fastconv_bindings PROPERTIES CXX_VISIBILITY_PRESET hidden)
fastconv_own_code(fastconv_bindings)

function(fastconv_add_core_module)
  pybind11_add_module(_core NO_EXTRAS
    src/array_view.cpp
    src/result_memory.cpp
    src/bind_info.cpp
    src/bind_training.cpp
    src/bind_tune.cpp
    src/cpu_backend.cpp
    src/cpu_call_scope.cpp
    src/index_view.cpp
    src/module.cpp
    src/precision.cpp)
  fastconv_finish_module(_core)
  target_link_libraries(_core PRIVATE fastconv)
  if(FASTCONV_CUDA_BUILT)
    set(built "built with CUDA ${CMAKE_CUDA_COMPILER_VERSION}")
  else()
    set(built "${FASTCONV_CUDA_REASON}")
  endif()
  target_compile_definitions(_core PRIVATE "FASTCONV_CUDA_BUILD=\"${built}\"")
  install(TARGETS _core LIBRARY DESTINATION fastconv)
endfunction()

# `backend` is fastconv_cuda, or in tests without a GPU the same kernels as host code.
function(fastconv_add_cuda_module target backend)
  set(sources
    cuda_array_view.cpp
    cuda_backend.cpp
    cuda_call.cpp
    cuda_dlpack.cpp
    cuda_gradients.cpp
    cuda_module.cpp
    cuda_operators.cpp
    cuda_precision.cpp)
  list(TRANSFORM sources PREPEND ${PROJECT_SOURCE_DIR}/src/)
  pybind11_add_module(${target} NO_EXTRAS ${sources} ${ARGN})
  fastconv_finish_module(${target})
  target_link_libraries(${target} PRIVATE ${backend} fastconv)
endfunction()

function(fastconv_finish_module target)
  target_sources(${target} PRIVATE $<TARGET_OBJECTS:fastconv_bindings>)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/cpp)
  fastconv_own_code(${target})
  set_target_properties(${target} PROPERTIES INSTALL_RPATH "$ORIGIN/lib")
endfunction()
