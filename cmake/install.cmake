# Library, headers and CMake config. Inside a wheel everything lies below fastconv/.
include(CMakePackageConfigHelpers)
set(root "${FASTCONV_INSTALL_ROOT}")
install(TARGETS fastconv EXPORT fastconvTargets LIBRARY DESTINATION ${root}lib
  INCLUDES DESTINATION ${root}include)
install(DIRECTORY cpp/include/fastconv DESTINATION ${root}include)
install(EXPORT fastconvTargets NAMESPACE fastconv:: DESTINATION ${root}lib/cmake/fastconv)
configure_package_config_file(cmake/fastconvConfig.cmake.in
  ${CMAKE_CURRENT_BINARY_DIR}/fastconvConfig.cmake INSTALL_DESTINATION ${root}lib/cmake/fastconv)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/fastconvConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/fastconvConfig.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/fastconvConfigVersion.cmake DESTINATION ${root}lib/cmake/fastconv)
