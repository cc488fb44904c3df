#include "conv_record.h"

#include <fastconv/fastconv.h>

#include <stdexcept>

namespace fastconv::runner {

int name_index(const NameList& names, const Record& record, const std::string& key) {
  const int index = names.find(record.text(key));
  if (index < 0)
    throw std::runtime_error("record '" + record.name + "': unknown " + key + " '" +
                             record.text(key) + "'; known are " + names.listed());
  return index;
}

ConvProblem conv_problem(const Record& record, DType dtype) {
  ConvProblem p;
  p.dtype = dtype;
  p.rank = static_cast<int>(record.integer("rank"));
  p.transposed = record.integer("transposed") != 0;
  p.has_bias = record.integer("has_bias") != 0;
  p.activation = static_cast<Activation>(name_index(kActivationNames, record, "activation"));
  p.boundary = static_cast<Boundary>(name_index(kBoundaryNames, record, "boundary"));
  p.fill_value = record.real("fill_value");
  p.samples_per_pixel = record.integer("samples_per_pixel");
  p.batch = record.integer("batch");
  p.in_channels = record.integer("in_channels");
  p.out_channels = record.integer("out_channels");
  p.groups = record.integer("groups");
  p.in = record.axes("in");
  p.kernel = record.axes("kernel");
  p.stride = record.axes("stride");
  p.dilation = record.axes("dilation");
  p.pad_lo = record.axes("pad_lo");
  p.pad_hi = record.axes("pad_hi");
  p.output_padding = record.axes("output_padding");
  complete(p);
  return p;
}

}  // namespace fastconv::runner
