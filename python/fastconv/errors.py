"""The exceptions that fastconv raises. Each also derives from the built-in that users expect."""


class FastconvError(Exception):
    """Base of all errors that fastconv raises itself."""


class ShapeError(FastconvError, ValueError):
    """Sizes that do not fit together: ranks, channels, groups, kernels, outputs."""


class OptionError(FastconvError, ValueError):
    """An option outside its range, or an unknown name."""


class UnsupportedError(FastconvError, ValueError):
    """A forced algorithm or instruction set that cannot do this problem; the message says why."""


class DTypeError(FastconvError, TypeError):
    """An element type that is not supported, or arguments whose types differ."""


class ArgumentTypeError(FastconvError, TypeError):
    """An argument of the wrong Python type, such as a list where an array is needed."""


class BackendUnavailableError(FastconvError, RuntimeError):
    """A backend that this build or this machine lacks."""


class CudaError(FastconvError, RuntimeError):
    """A failure that the CUDA runtime or driver reported."""


class OutOfMemoryError(FastconvError, MemoryError):
    """Not enough memory, or sizes whose product does not fit into 64 bits."""


class BackwardError(FastconvError, RuntimeError):
    """A backward pass that no forward pass went before, or the second one after the same."""


class NonFiniteError(FastconvError, FloatingPointError):
    """A loss that is NaN or infinite: training on would only spread it."""


class StateDictError(FastconvError, ValueError):
    """Parameters that do not fit a network, or a file of them that cannot be read."""
