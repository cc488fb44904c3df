// What a DLPack capsule says of its array. The capsule keeps its array: nothing is taken over.
// The layout of the structures is that of dlpack.h, versions 0 and 1, which never changes.
#include "bind_errors.h"
#include "cuda_module.h"

namespace fastconv::bind {
namespace {

struct DLTensor {
  void* data;
  std::int32_t device_type, device_id;
  std::int32_t ndim;
  std::uint8_t code, bits;
  std::uint16_t lanes;
  std::int64_t* shape;
  std::int64_t* strides;
  std::uint64_t byte_offset;
};

struct Managed {  // version 0: "dltensor"
  DLTensor tensor;
};

struct ManagedVersioned {  // version 1: "dltensor_versioned"
  std::uint32_t major, minor;
  void* context;
  void* deleter;
  std::uint64_t flags;
  DLTensor tensor;
};

constexpr std::uint64_t kReadOnly = 1;

std::string dtype_text(const DLTensor& t) {
  constexpr int kSigned = 0, kUnsigned = 1, kFloat = 2, kBfloat = 4, kBool = 6;
  const std::string bits = std::to_string(t.bits);
  if (t.lanes != 1) return "vectors of " + std::to_string(t.lanes) + " elements";
  switch (t.code) {
    case kSigned:
      return "int" + bits;
    case kUnsigned:
      return "uint" + bits;
    case kFloat:
      return "float" + bits;
    case kBfloat:
      return "bfloat" + bits;
    case kBool:
      return "bool";
    default:
      return "DLPack code " + std::to_string(t.code) + ", " + bits + " bits";
  }
}

py::tuple read(const DLTensor& t, bool writable) {
  const auto axes = static_cast<std::size_t>(t.ndim);
  py::tuple shape(axes);
  py::object strides = py::none();
  for (std::size_t i = 0; i < axes; ++i) shape[i] = t.shape[i];
  if (t.strides != nullptr) {
    py::tuple steps(axes);
    for (std::size_t i = 0; i < axes; ++i) steps[i] = t.strides[i];
    strides = steps;
  }
  const auto address = reinterpret_cast<std::uintptr_t>(t.data);
  return py::make_tuple(address == 0 ? 0 : address + t.byte_offset, shape, strides, dtype_text(t),
                        writable, t.device_id);
}

}  // namespace

py::tuple read_dlpack(const py::object& capsule) {
  if (PyCapsule_IsValid(capsule.ptr(), "dltensor_versioned") != 0) {
    const auto* managed = static_cast<const ManagedVersioned*>(
        PyCapsule_GetPointer(capsule.ptr(), "dltensor_versioned"));
    if (managed->major > 1) {
      fail(ErrorKind::type, "the array speaks version " + std::to_string(managed->major) +
                                " of DLPack, which is newer than 1; use an older version of its "
                                "library, or its __cuda_array_interface__");
    }
    return read(managed->tensor, (managed->flags & kReadOnly) == 0);
  }
  if (PyCapsule_IsValid(capsule.ptr(), "dltensor") != 0) {
    const auto* managed =
        static_cast<const Managed*>(PyCapsule_GetPointer(capsule.ptr(), "dltensor"));
    return read(managed->tensor, true);
  }
  fail(ErrorKind::type, "the array's __dlpack__ gave no DLPack capsule that is still unused");
}

}  // namespace fastconv::bind
