"""Operators on tensors: the bits of arrays, the gradients of torch, no copies, clear errors."""

import numpy as np
import pytest

import cases
import fastconv

torch = pytest.importorskip("torch", reason="needs torch: pip install 'fastconv[torch]'")

import fastconv.torch as ft  # noqa: E402  (needs torch)

functional = torch.nn.functional
OPERATORS = [
    problem
    for problem in (
        *cases.CONV_CASES,
        *cases.TRANSPOSED_CASES,
        *cases.POOL_CASES,
        *cases.FOLD_CASES,
    )
    if hasattr(ft, problem.op) and not {"activation", "algorithm"} & set(problem.options)
]
DTYPES = ["float32", "float64", "float16", "bfloat16"]


def tensors(operands, dtype=torch.float32):
    return [torch.from_numpy(np.asarray(array)).to(dtype) for array in operands.positional]


def as_tuple(result):
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.parametrize("problem", OPERATORS, ids=lambda problem: problem.name)
def test_same_bits_as_on_arrays(problem):
    operands = cases.gaussian(problem)
    expected = as_tuple(cases.call(fastconv, problem, operands))
    given = tensors(operands)
    actual = as_tuple(getattr(ft, problem.op)(*given, **problem.options))
    for a, e in zip(actual, expected, strict=True):
        assert a.numpy().dtype == e.dtype
        assert tuple(a.shape) == e.shape
        assert a.numpy().tobytes() == e.tobytes()
    if 0 in problem.x_shape:
        return
    # Through the dispatcher, where autograd records the call.
    recorded = as_tuple(
        getattr(ft, problem.op)(given[0].requires_grad_(), *given[1:], **problem.options)
    )
    for r, a in zip(recorded, actual, strict=True):
        assert torch.equal(r, a)
        assert r.stride() == a.stride()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "layout", ["contiguous", "channels_last", "sliced", "expanded", "reversed"]
)
def test_layouts_and_types(dtype, layout):
    torch.manual_seed(0)
    dtype = getattr(torch, dtype)
    x = torch.randn(2, 6, 9, 10).to(dtype)
    weight = torch.randn(4, 3, 3, 3).to(dtype)
    x = {
        "contiguous": lambda: x,
        "channels_last": lambda: x.contiguous(memory_format=torch.channels_last),
        "sliced": lambda: x.repeat(1, 1, 2, 2)[:, :, 1::2, ::2],
        "expanded": lambda: x[:, :1].expand(-1, 6, -1, -1),
        "reversed": lambda: x.transpose(2, 3),
    }[layout]()
    wide = x.double()
    for ours, theirs in (
        (ft.conv2d(x, weight, groups=2), functional.conv2d(wide, weight.double(), groups=2)),
        (ft.avg_pool2d(x, 3, 2, 1), functional.avg_pool2d(wide, 3, 2, 1)),
        (ft.max_pool2d(x, 2), functional.max_pool2d(wide, 2)),
        (ft.unfold(x, 3), functional.unfold(wide.contiguous(), 3)),
    ):
        assert ours.dtype == dtype
        eps = torch.finfo(dtype).eps
        torch.testing.assert_close(ours.double(), theirs, rtol=8 * eps, atol=64 * eps)
        if ours.dim() == 4:
            is_last = layout == "channels_last"
            assert ours.is_contiguous(memory_format=torch.channels_last) == is_last


def test_memory_is_shared_in_both_directions():
    x = torch.randn(1, 2, 4, 4)
    from fastconv.torch._tensors import as_array, as_tensor

    for tensor in (x, x.bfloat16(), x.half()[:, :, ::2], x.requires_grad_()):
        assert as_array(tensor).ctypes.data == tensor.data_ptr()
        assert as_tensor(as_array(tensor)).data_ptr() == tensor.data_ptr()


GRADIENTS = {
    "conv1d": ((2, 4, 9), (6, 2, 3), {"stride": 2, "padding": ((1, 0),), "groups": 2}),
    "conv2d": ((2, 4, 6, 7), (4, 2, 3, 2), {"stride": (1, 2), "padding": ((1, 0), (0, 1)),
                                            "dilation": (1, 2), "groups": 2}),
    "conv3d": ((1, 2, 4, 4, 3), (2, 2, 2, 3, 2), {"padding": 1}),
    "conv_transpose1d": ((2, 4, 5), (4, 2, 3), {"stride": 2, "output_padding": 1, "groups": 2}),
    "conv_transpose2d": ((1, 2, 3, 4), (2, 3, 3, 3), {"stride": 2, "padding": ((1, 0), (0, 1))}),
    "conv_transpose3d": ((1, 2, 2, 3, 2), (2, 1, 2, 2, 2), {"stride": 2}),
    "max_pool1d": ((2, 3, 9), None, {"kernel_size": 3, "stride": 2, "padding": 1}),
    "max_pool2d": ((2, 3, 6, 7), None, {"kernel_size": 2, "ceil_mode": True}),
    "max_pool3d": ((1, 2, 4, 5, 4), None, {"kernel_size": 2, "dilation": 2, "stride": 1}),
    "avg_pool1d": ((3, 9), None, {"kernel_size": 2, "padding": ((1, 0),)}),
    "avg_pool2d": ((2, 3, 6, 7), None, {"kernel_size": 3, "stride": 2, "padding": 1,
                                        "ceil_mode": True, "count_include_pad": False}),
    "avg_pool3d": ((1, 2, 4, 5, 4), None, {"kernel_size": 2, "divisor_override": 5}),
    "adaptive_avg_pool1d": ((2, 3, 9), None, {"output_size": 4}),
    "adaptive_avg_pool2d": ((2, 3, 6, 7), None, {"output_size": (4, None)}),
    "adaptive_avg_pool3d": ((1, 2, 3, 4, 5), None, {"output_size": (2, 3, 2)}),
    "adaptive_max_pool1d": ((2, 3, 9), None, {"output_size": 4}),
    "adaptive_max_pool2d": ((3, 6, 7), None, {"output_size": 3}),
    "adaptive_max_pool3d": ((1, 2, 3, 4, 5), None, {"output_size": 2}),
    "unfold": ((2, 3, 6, 7), None, {"kernel_size": 2, "stride": 2, "padding": ((1, 0), (0, 1))}),
    "fold": ((2, 12, 30), None, {"output_size": (6, 7), "kernel_size": 2}),
}  # fmt: skip


def gradient_operands(op):
    x_shape, weight_shape, options = GRADIENTS[op]
    torch.manual_seed(1)
    given = [torch.randn(x_shape, dtype=torch.float64, requires_grad=True)]
    if weight_shape:
        channels = weight_shape[0]
        if "transpose" in op:
            channels = weight_shape[1] * options.get("groups", 1)
        given.append(torch.randn(weight_shape, dtype=torch.float64, requires_grad=True))
        given.append(torch.randn(channels, dtype=torch.float64, requires_grad=True))
    return tuple(given), options


@pytest.mark.parametrize("op", GRADIENTS)
def test_first_and_second_derivatives(op):
    given, options = gradient_operands(op)

    def function(*arguments):
        return getattr(ft, op)(*arguments, **options)

    assert torch.autograd.gradcheck(function, given, fast_mode=True)
    assert torch.autograd.gradgradcheck(function, given, fast_mode=True)


# The operators are the same for every rank, and each check traces and compiles for seconds.
@pytest.mark.parametrize("op", [op for op in GRADIENTS if "1d" not in op and "3d" not in op])
def test_opcheck(op, monkeypatch):
    """Schema, fake kernel (strides too) and autograd registration of every operator called."""
    from fastconv.torch import _conv, _conv_ops, _fold_ops, _pool_ops

    called = []
    for module in (_conv, _conv_ops, _fold_ops, _pool_ops):
        for name in [name for name in vars(module) if name.endswith("_op")]:
            real = getattr(module, name)

            def record(*arguments, _real=real):
                called.append((_real, arguments))
                return _real(*arguments)

            monkeypatch.setattr(module, name, record)
    given, options = gradient_operands(op)
    given = tuple(t.detach().requires_grad_() for t in given)
    as_tuple(getattr(ft, op)(*given, **options))[0].sum().backward()
    rank = int(op[-2]) if op[-1] == "d" and op[-2].isdigit() else 0
    if given[0].dim() == rank + 2 and rank > 1:
        memory_format = {2: torch.channels_last, 3: torch.channels_last_3d}[rank]
        last = given[0].detach().contiguous(memory_format=memory_format)
        getattr(ft, op)(last.requires_grad_(), *given[1:], **options)
    assert len(called) >= 2
    monkeypatch.undo()
    for operator, arguments in called:
        torch.library.opcheck(operator, arguments)


def test_gradients_of_16_bits_and_of_channels_last_are_torchs():
    torch.manual_seed(0)
    for dtype, tolerance in ((torch.float32, 2e-5), (torch.bfloat16, 0.05)):
        x = torch.randn(2, 16, 8, 8).to(dtype).contiguous(memory_format=torch.channels_last)
        weight = torch.randn(8, 16, 3, 3).to(dtype)
        leaves = [t.clone().requires_grad_() for t in (x, weight)]
        wide = [t.float().requires_grad_() for t in (x, weight)]
        ft.avg_pool2d(ft.conv2d(*leaves, padding=1), 2).square().sum().backward()
        functional.avg_pool2d(functional.conv2d(*wide, padding=1), 2).square().sum().backward()
        assert leaves[0].grad.is_contiguous(memory_format=torch.channels_last)
        for ours, theirs in zip(leaves, wide, strict=True):
            assert ours.grad.dtype == dtype
            scale = theirs.grad.abs().max().item()
            torch.testing.assert_close(
                ours.grad.float(), theirs.grad, rtol=0, atol=tolerance * scale
            )


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda x: x.numpy(), fastconv.ArgumentTypeError, "torch.as_tensor"),
        (lambda x: None, fastconv.ArgumentTypeError, "NoneType"),
        (lambda x: x.to_sparse(), fastconv.DTypeError, "to_dense"),
        (lambda x: x.int(), fastconv.DTypeError, "torch.int32"),
        (lambda x: x.bool(), fastconv.DTypeError, "torch.bool"),
        (lambda x: x.to(torch.complex64), fastconv.DTypeError, "complex64"),
        (lambda x: x[0, 0, 0], fastconv.ShapeError, "axes"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "op", ["conv2d", "max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "unfold"]
)
def test_what_is_refused(op, make, error, words):
    x = make(torch.ones(1, 2, 4, 4))
    rest = {"conv2d": (torch.ones(1, 2, 3, 3),)}.get(op, (2,))
    with pytest.raises(error, match=words):
        getattr(ft, op)(x, *rest)


def test_quantised_tensors_are_refused():
    x = torch.quantize_per_tensor(torch.ones(1, 1, 4, 4), 0.1, 0, torch.qint8)
    with pytest.raises(fastconv.DTypeError, match="dequantize"):
        ft.max_pool2d(x, 2)


def test_operands_that_do_not_go_together():
    x, weight = torch.ones(1, 2, 4, 4), torch.ones(3, 2, 3, 3)
    with pytest.raises(fastconv.DTypeError, match=r"weight has dtype torch.float64"):
        ft.conv2d(x, weight.double())
    with pytest.raises(fastconv.ShapeError, match="channels"):
        ft.conv2d(x, weight[:, :1])
    with pytest.raises(fastconv.ShapeError):
        ft.conv2d(x.requires_grad_(), weight[:, :1])
    with pytest.raises(fastconv.OptionError, match="stride"):
        ft.conv2d(x, weight, stride=0)
    with pytest.raises(fastconv.ArgumentTypeError, match="groups"):
        ft.conv2d(x, weight, groups=1.5)
    with pytest.raises(fastconv.ShapeError, match="does not fit"):
        ft.conv2d(x.detach(), torch.ones(3, 2, 5, 5))
    with pytest.raises(fastconv.UnsupportedError, match="forward-mode"):
        torch.func.jvp(lambda x: ft.conv2d(x, weight), (x,), (x,))


def test_meta_tensors_get_shapes():
    x, weight = torch.empty(2, 3, 8, 8, device="meta"), torch.empty(4, 3, 3, 3, device="meta")
    y = ft.max_pool2d(ft.conv2d(x, weight, padding=1), 2)
    assert y.device.type == "meta"
    assert y.shape == (2, 4, 4, 4)


def test_other_devices_are_refused():
    class Elsewhere(torch.Tensor):
        device = torch.device("xpu", 0)

    x = torch.ones(1, 1, 4, 4).as_subclass(Elsewhere)
    with (
        torch._C.DisableTorchFunction(),
        pytest.raises(fastconv.BackendUnavailableError, match=r"x\.cpu\(\)"),
    ):
        ft.max_pool2d(x, 2)


def test_autocast_casts_as_torch_does():
    x, weight = torch.randn(1, 4, 8, 8), torch.randn(4, 4, 3, 3)
    with torch.autocast("cpu", torch.bfloat16):
        ours, theirs = ft.conv2d(x, weight), functional.conv2d(x, weight)
    assert ours.dtype == theirs.dtype == torch.bfloat16
    torch.testing.assert_close(ours, theirs, rtol=0.02, atol=0.05)


def test_torch_function_and_fx_see_the_calls():
    class Layer(torch.nn.Module):
        def forward(self, x):
            return ft.max_pool2d(x, 2)

    x = torch.randn(1, 1, 4, 4)
    traced = torch.fx.symbolic_trace(Layer())
    assert any(node.target is ft.max_pool2d for node in traced.graph.nodes)
    assert torch.equal(traced(x), ft.max_pool2d(x, 2))
