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
  py::array array = py::reinterpret_borrow<py::array>(object);
  const py::dtype dtype = array.dtype();
  if (dtype.kind() != 'i' || dtype.itemsize() != sizeof(Index) || dtype.byteorder() == '>') {
    fail(ErrorKind::dtype, "indices must be int64, got " + py::cast<std::string>(py::str(dtype)) +
                               "; convert it with indices.astype(numpy.int64)");
  }
  bool same = array.ndim() == like.ndim;
  for (int i = 0; same && i < like.ndim; ++i) same = array.shape(i) == like.shape[i];
  if (!same) {
    fail(ErrorKind::shape, std::string("indices must have the shape of ") + name + ", " +
                               like.shape_text() + ", got " +
                               py::cast<std::string>(py::str(array.attr("shape"))) +
                               "; pass the indices that max pooling gave with these values");
  }
  bool aligned = (array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0;
  for (int i = 0; i < like.ndim; ++i) {
    aligned = aligned && array.strides(i) % py::ssize_t{sizeof(Index)} == 0;
  }
  if (!aligned) array = array.attr("copy")();
  IndexView view{array, static_cast<const Index*>(array.data()), {}};
  for (int i = 0; i < like.ndim; ++i) {
    view.strides[i] = array.strides(i) / static_cast<Index>(sizeof(Index));
  }
  return view;
}

}  // namespace fastconv::bind
