// Neighbouring elements that a thread loads and stores as one word of up to 16 bytes.
#pragma once

#include <cstring>

#include "cuda/device.h"

namespace fastconv::cuda {

inline constexpr int kPackBytes = 16;

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

// What the host asks before it chooses packs of a tensor's channels.
inline bool is_pack_aligned(const void* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer) % kPackBytes == 0;
}
// Whether a tensor's channels adjoin and every step to other ones is a multiple of `vector`.
inline bool strides_take_packs(const Strides& s, Index batch, const Axes& size, int vector) {
  const auto whole = [&](Index count, Index stride) { return count <= 1 || stride % vector == 0; };
  return s.channel == 1 && whole(batch, s.batch) && whole(size[0], s.spatial[0]) &&
         whole(size[1], s.spatial[1]) && whole(size[2], s.spatial[2]);
}

}  // namespace fastconv::cuda
