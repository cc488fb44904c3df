#include "pool_record.h"

#include <stdexcept>
#include <string>

namespace fastconv::runner {

namespace {

PoolKind kind_of(const Record& record) {
  const std::string& kind = record.text("kind");
  if (kind == "max") return PoolKind::max;
  if (kind == "min") return PoolKind::min;
  if (kind == "avg") return PoolKind::average;
  if (kind == "lp") return PoolKind::lp;
  throw std::runtime_error("record '" + record.name + "': unknown kind '" + kind + "'");
}

}  // namespace

PoolProblem pool_problem(const Record& record, DType dtype) {
  PoolProblem p;
  p.dtype = dtype;
  p.kind = kind_of(record);
  p.rank = static_cast<int>(record.integer("rank"));
  p.adaptive = record.integer("adaptive") != 0;
  p.ceil_mode = record.integer("ceil_mode") != 0;
  p.count_include_pad = record.integer("count_include_pad") != 0;
  p.with_indices = record.integer("with_indices") != 0;
  p.divisor_override = record.integer("divisor_override");
  p.norm = record.real("norm");
  p.batch = record.integer("batch");
  p.channels = record.integer("channels");
  p.in = record.axes("in");
  p.out = record.axes("out");
  if (p.adaptive) return p;
  p.kernel = record.axes("kernel");
  p.stride = record.axes("stride");
  p.dilation = record.axes("dilation");
  p.pad_lo = record.axes("pad_lo");
  p.pad_hi = record.axes("pad_hi");
  return p;
}

}  // namespace fastconv::runner
