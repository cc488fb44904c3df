# The CUDA module is not written yet: AUTO and OFF build without it, ON says so instead of pretending.
if(NOT FASTCONV_CUDA MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "FASTCONV_CUDA is '${FASTCONV_CUDA}'; it can be AUTO, ON or OFF.")
endif()
if(FASTCONV_CUDA STREQUAL "ON")
  message(FATAL_ERROR "FASTCONV_CUDA=ON: this version has no CUDA kernels yet; use AUTO or OFF.")
endif()
