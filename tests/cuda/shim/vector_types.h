// CUDA's small vectors, with the same alignment, and the extents of grids.
#pragma once

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct uint3 {
  unsigned x, y, z;
};

#define FASTCONV_VECTOR_TYPES(type, name)                            \
  struct alignas(2 * sizeof(type)) name##2 {                         \
    type x, y;                                                       \
  };                                                                 \
  struct alignas(sizeof(type) < 8 ? 4 * sizeof(type) : 16) name##4 { \
    type x, y, z, w;                                                 \
  };                                                                 \
  inline name##2 make_##name##2(type x, type y) {                    \
    return {x, y};                                                   \
  }                                                                  \
  inline name##4 make_##name##4(type x, type y, type z, type w) {    \
    return {x, y, z, w};                                             \
  }

FASTCONV_VECTOR_TYPES(unsigned char, uchar)
FASTCONV_VECTOR_TYPES(unsigned short, ushort)
FASTCONV_VECTOR_TYPES(unsigned, uint)
FASTCONV_VECTOR_TYPES(int, int)
FASTCONV_VECTOR_TYPES(float, float)
FASTCONV_VECTOR_TYPES(double, double)

#undef FASTCONV_VECTOR_TYPES
