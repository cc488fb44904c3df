#include "index_view.h"

namespace fastconv::bind {

IndexView view_indices(PyObject* object, const ArrayView& like, const char* name) {
  if (!py::isinstance<py::array>(object)) {
    fail(ErrorKind::type, std::string("indices must be a NumPy array, got ") +
                              Py_TYPE(object)->tp_name + "; pass what return_indices=True gave");
  }
  if (is_masked(object)) {
    fail(ErrorKind::type,
         "indices is a masked array; a mask has no meaning here: pass indices.filled(0)");
  }
  IndexView view{py::reinterpret_borrow<py::array>(object), nullptr, {}};
  const py::dtype dtype = view.owner.dtype();
  if (dtype.kind() != 'i' || dtype.itemsize() != sizeof(Index) || dtype.byteorder() == '>') {
    fail(ErrorKind::dtype, "indices must be int64, got " + py::cast<std::string>(py::str(dtype)) +
                               "; convert it with indices.astype(numpy.int64)");
  }
  bool same = view.owner.ndim() == like.ndim;
  for (int i = 0; same && i < like.ndim; ++i) same = view.owner.shape(i) == like.shape[i];
  if (!same) {
    fail(ErrorKind::shape, std::string("indices must have the shape of ") + name + ", " +
                               like.shape_text() + ", got " +
                               py::cast<std::string>(py::str(view.owner.attr("shape"))) +
                               "; pass the indices that max pooling gave with these values");
  }
  bool aligned = (view.owner.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0;
  for (int i = 0; i < like.ndim; ++i) {
    aligned = aligned && view.owner.strides(i) % py::ssize_t{sizeof(Index)} == 0;
  }
  if (!aligned) view.owner = view.owner.attr("copy")();
  for (int i = 0; i < like.ndim; ++i) {
    view.strides[i] = view.owner.strides(i) / static_cast<Index>(sizeof(Index));
  }
  view.data = static_cast<const Index*>(view.owner.data());
  return view;
}

}  // namespace fastconv::bind
