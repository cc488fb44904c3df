// Launches of unfold and fold.
#include "cuda/kernels/fold.cuh"

#include <type_traits>

#include "cuda/launch/launch.h"

namespace fastconv::cuda {
namespace {

dim3 blocks(const FoldTask& task) {
  return dim3(static_cast<unsigned>(ceil_div(task.elements.count(), kFoldThreads)));
}

template <class T>
Status unfold(const FoldTask& task, const void* image, void* columns, Stream stream) {
  return launch(unfold_windows<T>, Launch{blocks(task), kFoldThreads, 0, stream, "unfold_windows"},
                task, static_cast<const T*>(image), static_cast<T*>(columns));
}

}  // namespace

Status run_unfold(const FoldProblem& p, const void* image, void* columns, Stream stream) {
  const FoldTask task = fold_task(p, true);
  if (task.elements.count() == 0) return {};
  switch (element_size(p.dtype)) {
    case 2:
      return unfold<std::uint16_t>(task, image, columns, stream);
    case 4:
      return unfold<std::uint32_t>(task, image, columns, stream);
    default:
      return unfold<std::uint64_t>(task, image, columns, stream);
  }
}

Status run_fold(const FoldProblem& p, const void* columns, void* image, Stream stream) {
  const FoldTask task = fold_task(p, false);
  if (task.elements.count() == 0) return {};
  return with_element(p.dtype, [&](auto* element) {
    using T = std::remove_pointer_t<decltype(element)>;
    return launch(fold_elements<T>, Launch{blocks(task), kFoldThreads, 0, stream, "fold_elements"},
                  task, static_cast<const T*>(columns), static_cast<T*>(image));
  });
}

}  // namespace fastconv::cuda
