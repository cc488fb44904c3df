#include "layout.h"

namespace fastconv::runner {

const char* arrangement_name(Arrangement arrangement) {
  static constexpr const char* kNames[] = {"planar", "channels-last", "gapped", "reversed"};
  return kNames[static_cast<int>(arrangement)];
}

namespace {

// Dense strides, `gap` unused elements after each element, row, plane and volume.
Strides planar_strides(const Shape& shape, Index gap) {
  Strides s{};
  Index step = 1 + gap;
  for (int axis = kAxes - 1; axis >= 0; --axis) {
    s.spatial[axis] = step;
    step = step * larger(1, shape.spatial[axis]) + gap;
  }
  s.channel = step;
  s.batch = step * larger(1, shape.channels) + gap;
  return s;
}

Strides channels_last_strides(const Shape& shape) {
  Strides s{};
  s.channel = 1;
  Index step = shape.channels;
  for (int axis = kAxes - 1; axis >= 0; --axis) {
    s.spatial[axis] = step;
    step *= shape.spatial[axis];
  }
  s.batch = step;
  return s;
}

}  // namespace

Layout make_layout(const Shape& shape, Arrangement arrangement) {
  Layout layout{};
  Strides& s = layout.strides;
  s = arrangement == Arrangement::channels_last
          ? channels_last_strides(shape)
          : planar_strides(shape, arrangement == Arrangement::gapped ? 2 : 0);
  if (arrangement == Arrangement::reversed) {
    s.channel = -s.channel;
    for (int axis = 0; axis < kAxes; ++axis) s.spatial[axis] = -s.spatial[axis];
  }
  if (shape.count() == 0) return layout;

  const Index sizes[] = {shape.batch, shape.channels, shape.spatial[0], shape.spatial[1],
                         shape.spatial[2]};
  const Index steps[] = {s.batch, s.channel, s.spatial[0], s.spatial[1], s.spatial[2]};
  layout.extent = 1;
  for (int axis = 0; axis < 5; ++axis) {
    const Index reach = (sizes[axis] - 1) * steps[axis];
    layout.origin -= smaller(0, reach);
    layout.extent += reach < 0 ? -reach : reach;
  }
  layout.positions.reserve(static_cast<std::size_t>(shape.count()));
  for (Index n = 0; n < sizes[0]; ++n)
    for (Index c = 0; c < sizes[1]; ++c)
      for (Index d = 0; d < sizes[2]; ++d)
        for (Index h = 0; h < sizes[3]; ++h)
          for (Index w = 0; w < sizes[4]; ++w)
            layout.positions.push_back(layout.origin + n * steps[0] + c * steps[1] + d * steps[2] +
                                       h * steps[3] + w * steps[4]);
  return layout;
}

}  // namespace fastconv::runner
