# One object library per instruction set, each with its own flags. A unit is compiled only where the
# compiler can target it; which one runs is decided at run time.
function(fastconv_add_units target)
  set(processor "${CMAKE_SYSTEM_PROCESSOR}")
  fastconv_add_unit(${target} scalar "")
  if(processor MATCHES "^(x86_64|AMD64|amd64)$")
    fastconv_add_unit(${target} avx2 "-mavx2;-mfma;-mf16c")
    fastconv_add_unit(${target} avx512 "-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mfma;-mprefer-vector-width=512")
    # gcc 11 and clang 12 know the matrix unit's instructions.
    include(CheckCXXCompilerFlag)
    check_cxx_compiler_flag("-mamx-bf16 -mavx512bf16" FASTCONV_COMPILES_AMX)
    if(FASTCONV_EMULATED_TILES)
      fastconv_add_unit(${target} amx "-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mfma;-mprefer-vector-width=512")
      target_compile_definitions(fastconv_amx PRIVATE FASTCONV_EMULATED_TILES=1)
      target_compile_definitions(${target} PRIVATE FASTCONV_EMULATED_TILES=1)
    elseif(FASTCONV_COMPILES_AMX)
      fastconv_add_unit(${target} amx "-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mavx512bf16;-mamx-tile;-mamx-bf16;-mfma;-mprefer-vector-width=512")
    endif()
  elseif(processor MATCHES "^(aarch64|arm64)$")
    fastconv_add_unit(${target} neon "")
  endif()
endfunction()

function(fastconv_add_unit target isa flags)
  set(unit fastconv_${isa})
  add_library(${unit} OBJECT cpp/kernels/${isa}/kernels.cpp)
  target_include_directories(${unit} PRIVATE cpp cpp/include)
  # A multiplication and an addition are fused only where the text says so, and a kernel never throws.
  target_compile_options(${unit} PRIVATE ${flags} -ffp-contract=off -fno-exceptions -fno-rtti
    -fno-math-errno -fno-trapping-math)
  fastconv_own_code(${unit})
  if(isa MATCHES "^(avx512|amx)$" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # gcc 12 warns about the undefined pass-through operands inside its own intrinsics headers.
    target_compile_options(${unit} PRIVATE -Wno-uninitialized -Wno-maybe-uninitialized)
  endif()
  target_sources(${target} PRIVATE $<TARGET_OBJECTS:${unit}>)
  string(TOUPPER ${isa} name)
  target_compile_definitions(${target} PRIVATE FASTCONV_HAS_${name}=1)
endfunction()
