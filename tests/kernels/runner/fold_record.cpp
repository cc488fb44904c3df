#include "fold_record.h"

namespace fastconv::runner {

namespace {

void copy_plane(const Record& record, const char* key, Index (&values)[2]) {
  const Axes axes = record.axes(key);
  values[0] = axes[1];
  values[1] = axes[2];
}

}  // namespace

FoldProblem fold_problem(const Record& record, DType dtype) {
  FoldProblem p;
  p.dtype = dtype;
  p.batch = record.integer("batch");
  p.channels = record.integer("channels");
  copy_plane(record, "in", p.in);
  copy_plane(record, "kernel", p.kernel);
  copy_plane(record, "stride", p.stride);
  copy_plane(record, "dilation", p.dilation);
  copy_plane(record, "pad_lo", p.pad_lo);
  copy_plane(record, "pad_hi", p.pad_hi);
  return p;
}

void set_strides(FoldProblem& p, const Strides& image, const Strides& columns) {
  const Index image_steps[] = {image.batch, image.channel, image.spatial[1], image.spatial[2]};
  const Index column_steps[] = {columns.batch, columns.channel, columns.spatial[2]};
  for (int i = 0; i < 4; ++i) p.image[i] = image_steps[i];
  for (int i = 0; i < 3; ++i) p.columns[i] = column_steps[i];
}

UnpoolProblem unpool_problem(const Record& record, DType dtype) {
  UnpoolProblem p;
  p.dtype = dtype;
  p.batch = record.integer("batch");
  p.channels = record.integer("channels");
  p.in = record.axes("in");
  p.out = record.axes("out");
  return p;
}

}  // namespace fastconv::runner
