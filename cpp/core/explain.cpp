#include <fastconv/fastconv.h>

#include <sstream>

#include "core/conv_choose.h"
#include "core/names.h"

namespace fastconv {
namespace {

void print_axes(std::ostream& out, const char* name, const Axes& a, int rank) {
  out << "  " << name << ' ';
  for (int i = kAxes - rank; i < kAxes; ++i) out << (i > kAxes - rank ? " x " : "") << a[i];
}

}  // namespace

std::string explain(const ConvProblem& p, const ConvPlan& plan) {
  std::ostringstream out;
  out << (p.transposed ? "transposed convolution" : "convolution") << ", " << p.rank << "-D, "
      << dtype_name(p.dtype) << ", precision "
      << kPrecisionNames.names[static_cast<int>(p.precision)] << '\n';
  out << "  batch " << p.batch << ", channels " << p.in_channels << " -> " << p.out_channels
      << ", groups " << p.groups << '\n';
  print_axes(out, "input", p.in, p.rank);
  print_axes(out, " kernel", p.kernel, p.rank);
  print_axes(out, " output", p.out, p.rank);
  out << '\n';
  print_axes(out, "stride", p.stride, p.rank);
  print_axes(out, " dilation", p.dilation, p.rank);
  print_axes(out, " padding before", p.pad_lo, p.rank);
  print_axes(out, " after", p.pad_hi, p.rank);
  out << '\n';
  out << "algorithm: " << algorithm_name(family_algorithm(plan.family)) << " ("
      << family_name(plan.family) << ")\n";
  out << "  because: " << plan.reason << '\n';
  out << "instruction set: " << isa_name(plan.isa) << ", register tile " << plan.tile_m << " x "
      << plan.tile_n << '\n';
  out << "threads: " << plan.threads << ", tasks: " << plan.tasks[1];
  if (plan.tasks[0] > 0) out << " after " << plan.tasks[0] << " that pack the weights";
  out << '\n';
  out << "blocks: " << plan.block_rows << " rows x " << plan.block_cols << " columns x "
      << plan.block_depth << " deep, output channels in " << plan.channel_parts << " part"
      << (plan.channel_parts == 1 ? "" : "s") << '\n';
  out << "workspace: " << plan.shared_bytes << " bytes shared, " << plan.scratch_bytes
      << " bytes per thread" << (plan.reads_in_place ? "; the input is read in place" : "") << '\n';
  if (plan.task_groups != 0) {
    out << "  and " << plan.widened_bytes << " bytes for float32 weights; each thread widens "
        << plan.task_groups << " group" << (plan.task_groups == 1 ? "" : "s")
        << " of an image at a time, for which the blocks above are\n";
  } else if (plan.images != 0) {
    out << "  and " << plan.widened_bytes << " bytes in which weights, and " << plan.images
        << " image" << (plan.images == 1 ? "" : "s") << " at a time, become float32\n";
  }
  out << "kernels that cannot take it:\n";
  const DType computed = plan.images != 0 ? DType::float32 : p.dtype;
  const DTypeTable& table = find_unit(plan.isa)->table[static_cast<int>(computed)];
  for (int i = 0; i < kFamilies; ++i) {
    const auto family = static_cast<Family>(i);
    if (const char* why = declines(p, family, table)) {
      out << "  " << family_name(family) << ": " << why << '\n';
    }
  }
  return out.str();
}

}  // namespace fastconv
