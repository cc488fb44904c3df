// Neighbouring elements that a thread loads and stores as one word of up to 16 bytes.
#pragma once

#include <cstring>

#include "cuda/device.h"
#include "cuda/launch/packs.h"

namespace fastconv::cuda {

template <std::size_t kBytes>
struct Word;
template <>
struct Word<2> {
  using type = unsigned short;
};
template <>
struct Word<4> {
  using type = unsigned;
};
template <>
struct Word<8> {
  using type = uint2;
};
template <>
struct Word<16> {
  using type = uint4;
};

template <class T, int kCount>
struct Pack {
  T v[kCount];
};

// `from` and `to` are aligned to the size of the pack.
template <int kCount, class T>
__device__ __forceinline__ Pack<T, kCount> load_pack(const T* from) {
  using W = typename Word<sizeof(T) * kCount>::type;
  const W word = *reinterpret_cast<const W*>(from);
  Pack<T, kCount> pack;
  memcpy(&pack, &word, sizeof pack);
  return pack;
}
template <int kCount, class T>
__device__ __forceinline__ void store_pack(T* to, const Pack<T, kCount>& pack) {
  using W = typename Word<sizeof(T) * kCount>::type;
  W word;
  memcpy(&word, &pack, sizeof word);
  *reinterpret_cast<W*>(to) = word;
}

}  // namespace fastconv::cuda
