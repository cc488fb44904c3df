// cp.async on the host, as late as it may happen: the bytes arrive when the thread waits for them.
// Until then the target holds NaN patterns, so that a read before the wait is seen in results.
#pragma once

#include <cstring>
#include <deque>
#include <map>
#include <vector>

namespace fastconv::cuda::shim {

struct Copy {
  void* to;
  const void* from;
  bool wanted;
};

struct Copies {
  std::vector<Copy> open;                // since the last commit
  std::deque<std::vector<Copy>> groups;  // committed, oldest first
};

// Of the calling device thread. Blocks run one after another, and each waits for all of its copies.
inline Copies& copies_of_thread() {
  static thread_local std::map<unsigned, Copies> copies;
  return copies[threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)];
}

inline void copy_async(void* to, const void* from, bool wanted) {
  std::memset(to, 0xff, 16);
  copies_of_thread().open.push_back({to, from, wanted});
}

inline void commit_copies() {
  Copies& copies = copies_of_thread();
  copies.groups.push_back(std::move(copies.open));
  copies.open.clear();
}

inline void wait_for_copies(int pending) {
  Copies& copies = copies_of_thread();
  while (copies.groups.size() > static_cast<std::size_t>(pending)) {
    for (const Copy& copy : copies.groups.front()) {
      if (copy.wanted) {
        std::memcpy(copy.to, copy.from, 16);
      } else {
        std::memset(copy.to, 0, 16);
      }
    }
    copies.groups.pop_front();
  }
}

}  // namespace fastconv::cuda::shim
