// Where the elements of a tensor lie in memory, for every arrangement that kernels must handle.
#pragma once

#include <fastconv/problem.h>

#include <string>
#include <vector>

#include "element.h"
#include "guarded_buffer.h"

namespace fastconv::runner {

enum class Arrangement {
  planar,         // contiguous, N C D H W
  channels_last,  // contiguous, N D H W C
  gapped,         // planar with unused elements between all neighbours
  reversed,       // planar with every spatial axis and the channels running backwards
};
const char* arrangement_name(Arrangement arrangement);

// Sizes of the first two axes (batch and channels, or a weight's first and second) and of space.
struct Shape {
  Index batch, channels;
  Axes spatial;
  Index count() const { return batch * channels * spatial.product(); }
};

// Strides of an arrangement; the address of element (0, 0, ...) and the extent, both in elements
// from the lowest address in use.
struct Layout {
  Strides strides;
  Index origin, extent;
  // Position of each element in NCHW order.
  std::vector<Index> positions;
};
Layout make_layout(const Shape& shape, Arrangement arrangement);

// A tensor of T between two unmapped pages.
template <class T>
class Tensor {
 public:
  Tensor(const Shape& shape, Arrangement arrangement, Guard guard)
      : layout_(make_layout(shape, arrangement)),
        memory_(static_cast<std::size_t>(layout_.extent) * sizeof(T), guard) {}

  const Strides& strides() const { return layout_.strides; }
  T* origin() const { return memory_.as<T>() + layout_.origin; }
  Index count() const { return static_cast<Index>(layout_.positions.size()); }
  T& operator[](Index i) const {
    return memory_.as<T>()[layout_.positions[static_cast<std::size_t>(i)]];
  }

  void fill(const std::vector<double>& values) const {
    for (Index i = 0; i < count(); ++i)
      (*this)[i] = element_of<T>(values[static_cast<std::size_t>(i)]);
  }
  void fill(T value) const {
    for (Index i = 0; i < count(); ++i) (*this)[i] = value;
  }
  void make_read_only() const { memory_.make_read_only(); }

  // Whether the memory between and around the elements is untouched. Destroys the contents.
  bool only_elements_written() const {
    for (Index position : layout_.positions)
      memory_.erase(static_cast<std::size_t>(position) * sizeof(T), sizeof(T));
    return memory_.only_filler();
  }

 private:
  Layout layout_;
  GuardedBuffer memory_;
};

}  // namespace fastconv::runner
