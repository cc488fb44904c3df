// What the host asks before threads load neighbouring channels as one word (cuda/kernels/pack.cuh).
#pragma once

#include <fastconv/problem.h>

#include <cstdint>

namespace fastconv::cuda {

inline constexpr int kPackBytes = 16;

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
