# The convolution library: include() this, then add ${PERCEPT_CONV_SOURCES} to a target that links
# OpenMP::OpenMP_CXX, with ${PERCEPT_CONV_INCLUDE_DIR} among its include directories.
set(PERCEPT_CONV_INCLUDE_DIR "${CMAKE_CURRENT_LIST_DIR}")
set(PERCEPT_CONV_SOURCES
    "${CMAKE_CURRENT_LIST_DIR}/conv.cc"
    "${CMAKE_CURRENT_LIST_DIR}/direct_plan.cc"
    "${CMAKE_CURRENT_LIST_DIR}/planar.cc"
    "${CMAKE_CURRENT_LIST_DIR}/winograd_plan.cc"
    "${CMAKE_CURRENT_LIST_DIR}/workspace.cc")

# Adds a file that is built for one instruction set, with its compiler options.
# g++ 12 reports uninitialised values inside its own AVX-512 header (GCC bug 105593), and arrays that
# a first loop round fills before a later one reads them.
macro(percept_conv_kernels file)
  list(APPEND PERCEPT_CONV_SOURCES "${CMAKE_CURRENT_LIST_DIR}/${file}")
  set_source_files_properties("${CMAKE_CURRENT_LIST_DIR}/${file}" PROPERTIES
                              COMPILE_OPTIONS "-ffp-contract=off;-Wno-maybe-uninitialized;${ARGN}")
endmacro()

percept_conv_kernels(direct_portable.cc)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  if(NOT DEFINED PERCEPT_CONV_AVX512)
    set(PERCEPT_CONV_AVX512
        -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mprefer-vector-width=512)
  endif()
  percept_conv_kernels(direct_avx2.cc -mavx2 -mfma)
  percept_conv_kernels(planar_avx2.cc -mavx2 -mfma)
  percept_conv_kernels(winograd_avx2.cc -mavx2 -mfma)
  percept_conv_kernels(direct_avx512.cc ${PERCEPT_CONV_AVX512})
  percept_conv_kernels(winograd_avx512.cc ${PERCEPT_CONV_AVX512})
  set_property(SOURCE ${PERCEPT_CONV_SOURCES} APPEND PROPERTY COMPILE_DEFINITIONS PERCEPT_CONV_X86)
endif()
