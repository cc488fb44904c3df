// A 2x2 and a 3x3 convolution of the image 0..8 through the installed library.
#include <fastconv/fastconv.h>

#include <cmath>
#include <cstdio>
#include <vector>

namespace {

// Convolves the image; false with a message when the library refuses.
bool convolve(const std::vector<float>& kernel, fastconv::Index size, fastconv::Index padding,
              std::vector<float>& result) {
  std::vector<float> image;
  for (int i = 0; i < 9; ++i) image.push_back(static_cast<float>(i));
  fastconv::ConvProblem problem;
  problem.batch = problem.in_channels = problem.out_channels = 1;
  problem.in = {{1, 3, 3}};
  problem.kernel = {{1, size, size}};
  problem.pad_lo = problem.pad_hi = {{0, padding, padding}};
  fastconv::complete(problem);
  result.assign(static_cast<std::size_t>(problem.out.product()), std::nanf(""));

  fastconv::ConvPlan plan;
  fastconv::Status status = fastconv::plan_conv(problem, {}, plan);
  if (status.ok())
    status =
        fastconv::run_conv(problem, plan, {image.data(), kernel.data(), nullptr, result.data()});
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.message.c_str());
  return status.ok();
}

void print(const std::vector<float>& values) {
  for (const float value : values) std::printf("%g ", static_cast<double>(value));
  std::printf("\n");
}

}  // namespace

int main() {
  std::vector<float> result;
  if (!convolve({0, 1, 2, 3}, 2, 0, result)) return 1;
  print(result);
  if (!convolve({0, 1, 0, 1, -4, 1, 0, 1, 0}, 3, 1, result)) return 1;
  print(result);

  // A wrong problem is a message, not a crash.
  fastconv::ConvProblem wrong;
  wrong.batch = wrong.in_channels = wrong.out_channels = 1;
  wrong.in = {{1, 3, 3}};
  wrong.kernel = {{1, 5, 5}};
  fastconv::complete(wrong);
  fastconv::ConvPlan plan;
  const fastconv::Status status = fastconv::plan_conv(wrong, {}, plan);
  std::printf("refused: %s\n", status.message.c_str());
  return status.code == fastconv::StatusCode::shape ? 0 : 1;
}
