# Flags of fastconv's own code: warnings (errors with FASTCONV_WERROR) and sanitizers.
function(fastconv_own_code target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
  if(FASTCONV_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  foreach(sanitizer IN LISTS FASTCONV_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${sanitizer} -fno-sanitize-recover=all
      -fno-omit-frame-pointer -g1 $<$<CXX_COMPILER_ID:GNU>:-fno-var-tracking>)
    target_link_options(${target} PUBLIC -fsanitize=${sanitizer})
  endforeach()
  if("undefined" IN_LIST FASTCONV_SANITIZE AND "address" IN_LIST FASTCONV_SANITIZE)
    # The address sanitizer finds what these do, and with them kernels take half as long again to
    # compile.
    target_compile_options(${target} PRIVATE -fno-sanitize=null,object-size,pointer-overflow)
  endif()
endfunction()
