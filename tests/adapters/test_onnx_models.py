"""Rewritten graphs against the plain ones and ONNX Runtime, and errors of the backend."""

from pathlib import Path

import numpy as np
import pytest

import fastconv

onnx = pytest.importorskip("onnx", reason="needs onnx: pip install 'fastconv[onnx]'")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402  (needs onnx)
from onnx.reference import ReferenceEvaluator  # noqa: E402

import fastconv.onnx as fo  # noqa: E402

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"


def array(generator, *shape):
    return generator.standard_normal(shape, dtype=np.float32)


def symbols(name, x_shape):
    """Unknown sizes, as many as the input has."""
    return [f"{name}{axis}" for axis in range(len(x_shape))]


def model_of(nodes, x_shape, arrays, outputs=("y",), ir_version=9, overridable=False):
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, x_shape)]
    if overridable:
        inputs += [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape)
            for name, value in arrays.items()
        ]
    graph = helper.make_graph(
        nodes,
        "test",
        inputs,
        [
            helper.make_tensor_value_info(
                name,
                TensorProto.INT64 if name == "i" else TensorProto.FLOAT,
                symbols(name, x_shape),
            )
            for name in outputs
        ],
        [numpy_helper.from_array(value, name) for name, value in arrays.items()],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=ir_version
    )


def node_types(rep):
    return [type(node).__name__ for node in rep._evaluator.rt_nodes_]


@pytest.mark.parametrize("kind", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize("groups", [1, 2])
def test_what_follows_a_convolution_is_taken_in(kind, groups):
    g = np.random.default_rng(0)
    out = 6
    weight = array(g, out, 4 // groups, 3, 3)
    if kind == "ConvTranspose":
        weight = array(g, 4, out // groups, 3, 3)
    arrays = {
        "w": weight, "gamma": array(g, out), "beta": array(g, out), "mean": array(g, out),
        "var": np.abs(array(g, out)) + 0.5, "factor": array(g, out, 1, 1),
        "more": array(g, 1, out, 1, 1),
    }  # fmt: skip
    nodes = [
        helper.make_node(kind, ["x", "w"], ["c"], group=groups, pads=[1, 0, 0, 1]),
        helper.make_node("BatchNormalization", ["c", "gamma", "beta", "mean", "var"], ["n"]),
        helper.make_node("Mul", ["factor", "n"], ["m"]),
        helper.make_node("Add", ["m", "more"], ["a"]),
        helper.make_node("Relu", ["a"], ["y"]),
    ]
    model = model_of(nodes, [2, 4, 7, 8], arrays)
    x = array(g, 2, 4, 7, 8)
    (plain,) = ReferenceEvaluator(model, new_ops=fo.OPERATORS).run(None, {"x": x})
    rep = fo.prepare(model)
    assert node_types(rep) == [f"Planned{kind}"]
    for _ in range(2):
        np.testing.assert_allclose(rep.run(x)[0], plain, rtol=1e-5, atol=1e-5)
    other = array(g, 3, 4, 9, 5)
    (expected,) = ReferenceEvaluator(model, new_ops=fo.OPERATORS).run(None, {"x": other})
    np.testing.assert_allclose(rep.run({"x": other})[0], expected, rtol=1e-5, atol=1e-5)


def test_a_result_that_others_need_is_kept():
    g = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Add", ["c", "r"], ["y"]),
    ]
    model = model_of(nodes, [1, 2, 5, 5], {"w": array(g, 3, 2, 3, 3)})
    x = array(g, 1, 2, 5, 5)
    rep = fo.prepare(model)
    assert node_types(rep) == ["PlannedConv", "Relu", "Add"]
    expected = ReferenceEvaluator(model).run(None, {"x": x})[0]
    np.testing.assert_allclose(rep.run(x)[0], expected, rtol=1e-5, atol=1e-5)


def test_the_output_of_a_folded_node_stays_an_output():
    g = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Relu", ["c"], ["y"]),
    ]
    model = model_of(nodes, [1, 2, 5, 5], {"w": array(g, 3, 2, 3, 3)}, outputs=("y", "c"))
    rep = fo.prepare(model)
    y, c = rep.run(array(g, 1, 2, 5, 5))
    np.testing.assert_array_equal(y, np.maximum(c, 0))


def test_weights_that_may_be_overridden_are_not_taken_for_known():
    g = np.random.default_rng(0)
    weight, other = array(g, 3, 2, 3, 3), array(g, 3, 2, 3, 3)
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"])]
    model = model_of(nodes, [1, 2, 5, 5], {"w": weight}, overridable=True)
    x = array(g, 1, 2, 5, 5)
    rep = fo.prepare(model)
    assert rep.input_names == ["x"]
    np.testing.assert_allclose(rep.run(x)[0], fastconv.conv2d(x, weight))
    np.testing.assert_allclose(rep.run({"x": x, "w": other})[0], fastconv.conv2d(x, other))


def test_the_model_given_stays_as_it_is():
    model = onnx.load(LIGHT / "light_squeezenet.onnx")
    before = model.SerializeToString()
    fo.prepare(model)
    assert model.SerializeToString() == before


def with_random_weights(name):
    """A light model, whose weights are all the same number, with random ones instead."""
    model = onnx.load(LIGHT / f"light_{name}.onnx")
    shapes = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    used_as = {
        given: (node.op_type, place)
        for node in model.graph.node
        for place, given in enumerate(node.input)
    }
    g = np.random.default_rng(0)
    nodes = []
    for node in model.graph.node:
        if node.op_type != "ConstantOfShape":
            nodes.append(node)
            continue
        shape = [int(n) for n in shapes[node.input[0]]]
        op, place = used_as[node.output[0]]
        value = array(g, *shape) * np.float32(0.1)
        if op in ("Conv", "Gemm") and place == 1:
            value *= np.float32(10 * np.sqrt(2 / np.prod(shape[1:])))
        if op == "BatchNormalization" and place in (1, 4):
            value = np.abs(value) + np.float32(0.5)
        model.graph.initializer.append(numpy_helper.from_array(value, node.output[0]))
        model.graph.input.append(
            helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, shape)
        )
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


@pytest.mark.parametrize("name", ["squeezenet", "inception_v1", "shufflenet", "resnet50"])
def test_networks_with_random_weights_agree_with_onnx_runtime(name):
    runtime = pytest.importorskip("onnxruntime", reason="comparing needs onnxruntime")
    model = with_random_weights(name)
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    x = np.random.default_rng(1).standard_normal((1, 3, 224, 224), dtype=np.float32)
    rep = fo.prepare(model)
    (expected,) = session.run(None, {rep.input_names[0]: x})
    (actual,) = rep.run(x)
    assert np.ptp(expected) > 1e-6
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-3 * np.ptp(expected))


@pytest.mark.parametrize("dtype", [np.float64, np.float16])
def test_other_types(dtype):
    g = np.random.default_rng(0)
    x, weight = array(g, 1, 2, 6, 6).astype(dtype), array(g, 3, 2, 3, 3).astype(dtype)
    node = helper.make_node("Conv", ["x", "w"], ["y"], auto_pad="SAME_LOWER")
    (y,) = fo.run_node(node, [x, weight])
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, fastconv.conv2d(x, weight, padding=1))


@pytest.mark.parametrize(
    "attributes",
    [
        {"kernel_shape": [3, 3], "pads": [2, 2, 2, 2]},
        {"kernel_shape": [3, 4], "pads": [2, 0, 1, 3], "strides": [2, 3]},
        {"kernel_shape": [2, 3], "dilations": [2, 1], "strides": [1, 2], "ceil_mode": 1},
        {"kernel_shape": [3, 2], "auto_pad": "SAME_LOWER", "strides": [2, 2]},
    ],
)
@pytest.mark.parametrize("include", [0, 1])
def test_pooling_agrees_with_onnx_runtime(attributes, include):
    runtime = pytest.importorskip("onnxruntime", reason="comparing needs onnxruntime")
    g = np.random.default_rng(0)
    x = array(g, 2, 3, 9, 11)
    for op, more in (
        ("AveragePool", {"count_include_pad": include}),
        ("MaxPool", {"storage_order": include}),
    ):
        outputs = ["y", "i"] if op == "MaxPool" else ["y"]
        node = helper.make_node(op, ["x"], outputs, **attributes, **more)
        model = model_of([node], [2, 3, 9, 11], {}, outputs=outputs)
        session = runtime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        expected = session.run(None, {"x": x})
        actual = fo.prepare(model).run(x)
        np.testing.assert_allclose(actual[0], expected[0], rtol=1e-5, atol=1e-6)
        if op == "MaxPool":
            is_real = np.isfinite(expected[0]) & (expected[1] >= 0)
            np.testing.assert_array_equal(actual[1][is_real], expected[1][is_real])


def test_global_norm():
    x = array(np.random.default_rng(0), 2, 3, 4, 5)
    (y,) = fo.run_node(helper.make_node("GlobalLpPool", ["x"], ["y"], p=3), [x])
    expected = (np.abs(x.astype(np.float64)) ** 3).sum((2, 3), keepdims=True) ** (1 / 3)
    np.testing.assert_allclose(y, expected, rtol=1e-5)


def test_errors():
    node = helper.make_node("Conv", ["x", "w"], ["y"])
    x, weight = np.ones((1, 2, 5, 5), np.float32), np.ones((3, 2, 3, 3), np.float32)
    model = model_of([node], [1, 2, 5, 5], {"w": weight})
    rep = fo.prepare(model)
    with pytest.raises(fastconv.BackendUnavailableError, match="CUDA"):
        fo.prepare(model, "CUDA")
    assert fo.supports_device("CPU:0")
    assert not fo.supports_device("CUDA")
    with pytest.raises(fastconv.ArgumentTypeError, match=r"onnx\.load"):
        fo.prepare("model.onnx")
    with pytest.raises(fastconv.ArgumentTypeError, match="options"):
        fo.prepare(model, strict=True)
    with pytest.raises(fastconv.ShapeError, match="1 inputs"):
        rep.run([x, x])
    with pytest.raises(fastconv.ShapeError, match="unknown"):
        rep.run({"z": x})
    with pytest.raises(fastconv.ArgumentTypeError, match="inputs"):
        rep.run(3)
    with pytest.raises(fastconv.ShapeError, match="channels"):
        rep.run(x[:, :1])
    with pytest.raises(fastconv.UnsupportedError, match="1 to 3 spatial axes"):
        fo.run_node(
            node, [np.ones((1, 2, *[3] * 4), np.float32), np.ones((1, 2, *[1] * 4), np.float32)]
        )
    with pytest.raises(onnx.checker.ValidationError):
        fo.prepare(onnx.ModelProto())
    custom = model_of([helper.make_node("Own", ["x"], ["y"], domain="mine")], [1, 2, 5, 5], {})
    custom.opset_import.append(helper.make_opsetid("mine", 1))
    with pytest.raises(fastconv.UnsupportedError, match="Own"):
        fo.prepare(custom)
    assert not fo.is_compatible(custom)
    assert fo.is_compatible(model)
