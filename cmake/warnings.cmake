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
endfunction()
