#include <sstream>

#include "core/names.h"
#include "cuda/launch/registry.h"

namespace fastconv::cuda {
namespace {

void print_axes(std::ostream& out, const char* name, const Axes& a, int rank) {
  out << name << ' ';
  for (int i = kAxes - rank; i < kAxes; ++i) out << (i > kAxes - rank ? " x " : "") << a[i];
}

}  // namespace

std::string explain(const ConvProblem& p, const ConvPlan& plan, const DeviceTraits& traits) {
  const ConvEntry& entry = conv_entry(plan.kernel);
  std::ostringstream out;
  out << (p.transposed ? "transposed convolution" : "convolution") << ", " << p.rank << "-D, "
      << dtype_name(p.dtype) << ", precision "
      << kPrecisionNames.names[static_cast<int>(p.precision)] << '\n';
  out << "  batch " << p.batch << ", channels " << p.in_channels << " -> " << p.out_channels
      << ", groups " << p.groups << '\n';
  print_axes(out, "  input", p.in, p.rank);
  print_axes(out, ", kernel", p.kernel, p.rank);
  print_axes(out, ", output", p.out, p.rank);
  out << '\n';
  out << "device: compute capability " << traits.major << '.' << traits.minor << ", "
      << traits.multiprocessors << " multiprocessors\n";
  out << "algorithm: " << algorithm_name(entry.algorithm) << " (" << entry.name << ")\n";
  out << "  because: " << plan.reason << '\n';
  out << "  verified: " << (entry.verified != nullptr ? entry.verified : "not yet run on hardware")
      << '\n';
  out << "tile: " << plan.tile_m << " output channels x " << plan.tile_n << " pixels x "
      << plan.tile_k << " terms, sums in " << plan.parts << " part" << (plan.parts == 1 ? "" : "s")
      << '\n';
  out << "workspace: " << plan.workspace_bytes << " bytes";
  if (plan.images != 0) out << ", " << plan.images << " images at a time";
  out << "\nkernels that cannot take it:\n";
  for (const ConvEntry* other : conv_entries()) {
    if (const char* why = other->declines(p, traits)) {
      out << "  " << other->name << ": " << why << '\n';
    }
  }
  return out.str();
}

}  // namespace fastconv::cuda
