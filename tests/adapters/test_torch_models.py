"""Layers and accelerate: nothing but the speed changes, and plans follow the weights."""

import copy
import io

import pytest

import fastconv

torch = pytest.importorskip("torch", reason="needs torch: pip install 'fastconv[torch]'")

import fastconv.torch as ft  # noqa: E402  (needs torch)
from fastconv.torch.modules import COUNTERPARTS, PLANS  # noqa: E402

nn = torch.nn

LAYERS = [
    (nn.Conv1d(4, 6, 3, padding="same", groups=2), (2, 4, 9)),
    (nn.Conv2d(4, 6, 3, stride=2, padding=1), (2, 4, 9, 8)),
    (nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"), (2, 4, 9, 8)),
    (nn.Conv3d(2, 3, 2, bias=False), (2, 2, 4, 5, 6)),
    (nn.ConvTranspose1d(4, 6, 3, stride=2, output_padding=1), (2, 4, 9)),
    (nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, groups=2), (2, 4, 5, 6)),
    (nn.ConvTranspose3d(2, 3, 2, stride=2), (2, 2, 3, 4, 5)),
    (nn.MaxPool1d(3, 2, 1), (2, 3, 9)),
    (nn.MaxPool2d(2, return_indices=True), (2, 3, 9, 8)),
    (nn.MaxPool3d(2), (2, 3, 4, 5, 6)),
    (nn.AvgPool1d(3, 2, 1), (2, 3, 9)),
    (nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False), (2, 3, 9, 8)),
    (nn.AvgPool3d(2, divisor_override=3), (2, 3, 4, 5, 6)),
    (nn.AdaptiveAvgPool1d(4), (2, 3, 9)),
    (nn.AdaptiveAvgPool2d((None, 3)), (2, 3, 9, 8)),
    (nn.AdaptiveAvgPool3d(2), (2, 3, 4, 5, 6)),
    (nn.AdaptiveMaxPool1d(4), (2, 3, 9)),
    (nn.AdaptiveMaxPool2d(3, return_indices=True), (2, 3, 9, 8)),
    (nn.AdaptiveMaxPool3d(2), (2, 3, 4, 5, 6)),
    (nn.Unfold(3, padding=1), (2, 3, 5, 6)),
    (nn.Fold((5, 6), 2), (2, 12, 20)),
]


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 16, 3, padding=1, groups=16),
        nn.AvgPool2d(2),
        nn.ConvTranspose2d(16, 8, 2, stride=2),
        nn.Flatten(),
        nn.Linear(8 * 64, 10),
    )


def everything(layer, name):
    return True


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda value: str(value)[:24])
def test_layers_are_those_of_torch(layer, shape, training):
    torch.manual_seed(0)
    x = torch.randn(shape)
    ours = copy.deepcopy(layer).train(training)
    ours.__class__ = COUNTERPARTS[type(layer)]
    assert isinstance(ours, type(layer))
    assert repr(ours) == repr(layer)
    with torch.no_grad():
        for _ in range(2):  # the second call of a convolution in eval mode finds its plan
            actual, expected = ours(x), layer(x)
            for a, e in zip(
                actual if isinstance(actual, tuple) else (actual,),
                expected if isinstance(expected, tuple) else (expected,),
                strict=True,
            ):
                torch.testing.assert_close(a, e, rtol=1e-5, atol=1e-5)
    has_plan = bool(ours.__dict__.get(PLANS))
    assert has_plan == ("Conv" in type(layer).__name__ and not training)


def test_every_counterpart_is_tested():
    assert {type(layer) for layer, _ in LAYERS} == set(COUNTERPARTS)


def test_transposed_layer_takes_an_output_size():
    layer = ft.ConvTranspose2d(2, 3, 3, stride=2).eval()
    x = torch.randn(1, 2, 4, 4)
    with torch.no_grad():
        assert layer(x, output_size=(10, 9)).shape == (1, 3, 10, 9)
        assert layer(x).shape == (1, 3, 9, 9)


def test_swapping_keeps_everything_but_the_class():
    model = network()
    called = []
    model[0].register_forward_hook(lambda *_: called.append("forward"))
    parameters, keys = list(model.parameters()), list(model.state_dict())
    x = torch.randn(2, 3, 16, 16)
    model.eval()
    before = model(x)
    classes = [type(layer) for layer in model]
    report = ft.accelerate(model)
    assert [one.name for one in report.swapped] == ["0", "3", "4", "5", "6"]
    assert all(a is b for a, b in zip(model.parameters(), parameters, strict=True))
    assert list(model.state_dict()) == keys
    assert not model.training
    with torch.no_grad():
        torch.testing.assert_close(model(x), before, rtol=1e-4, atol=1e-5)
    assert called == ["forward"] * 2
    assert "Conv2d" in str(report)
    assert "5 of 5 layers swapped" in str(report)
    assert [one.reason for one in ft.accelerate(model).skipped] == [
        "computed by fastconv already"
    ] * 5
    report.restore()
    report.restore()
    assert [type(layer) for layer in model] == classes
    assert all(PLANS not in layer.__dict__ for layer in model)
    assert torch.equal(model(x), before)


def test_what_is_left_alone_and_why():
    class Own(nn.Conv2d):
        pass

    replaced = nn.Conv2d(2, 2, 3)
    replaced.forward = lambda x: x
    model = nn.ModuleDict(
        {
            "own": Own(2, 2, 3),
            "replaced": replaced,
            "circular": nn.Conv2d(2, 2, 3, padding_mode="circular"),
            "complex": nn.Conv2d(2, 2, 3, dtype=torch.complex64),
            "mean": nn.AdaptiveAvgPool2d(1),
            "refused": nn.MaxPool2d(2),
            "taken": nn.MaxPool2d(2),
        }
    )
    report = ft.accelerate(model, lambda layer, name: name != "refused")
    reasons = {one.name: one.reason for one in report.skipped}
    assert [one.name for one in report.swapped] == ["taken"]
    words = {
        "own": "Own",
        "replaced": "forward was replaced",
        "circular": "circular",
        "complex": "complex64",
        "mean": "rule",
        "refused": "filter_fn",
    }
    assert set(reasons) == set(words)
    assert all(word in reasons[name] for name, word in words.items())
    meta = ft.accelerate(nn.Sequential(nn.Conv2d(1, 1, 3, device="meta"), nn.MaxPool2d(2)))
    assert all("device meta" in one.reason for one in meta.skipped)
    assert len(meta.skipped) == 2


def test_the_rule_takes_less_in_training_mode():
    swapped = {one.name for one in ft.accelerate(network().train()).swapped}
    assert swapped == {"3", "5"}


def test_a_single_layer_can_be_the_model():
    layer = nn.MaxPool2d(2)
    report = ft.accelerate(layer)
    assert type(layer) is ft.MaxPool2d
    assert "(model)" in str(report)
    report.restore()
    assert type(layer) is nn.MaxPool2d


@pytest.mark.parametrize("training", [True, False])
def test_measuring_changes_nothing_and_keeps_the_faster(training):
    model = network().train(training)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    report = ft.accelerate(model, measure=True, example_input=torch.randn(1, 3, 16, 16))
    for one in report.decisions:
        assert one.torch_seconds > 0
        assert one.fastconv_seconds > 0
        assert one.swapped == (one.fastconv_seconds < one.torch_seconds)
        assert "us" in one.reason
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert model.training == training
    assert all(layer.training == training for layer in model)


def test_wrong_arguments():
    with pytest.raises(fastconv.ArgumentTypeError, match="Module"):
        ft.accelerate("model")
    with pytest.raises(fastconv.ArgumentTypeError, match="filter_fn"):
        ft.accelerate(network(), "Conv2d")
    with pytest.raises(fastconv.OptionError, match="example_input"):
        ft.accelerate(network(), measure=True)
    with pytest.raises(fastconv.OptionError, match="measure"):
        ft.accelerate(network(), example_input=torch.ones(1))


def planned_layer():
    torch.manual_seed(0)
    return ft.Conv2d(3, 4, 3, padding=1).eval(), torch.randn(1, 3, 8, 8)


def changed_in_place(layer):
    with torch.no_grad():
        layer.weight.mul_(2)


def changed_bias(layer):
    with torch.no_grad():
        layer.bias += 1


def loaded(layer):
    layer.load_state_dict({name: value + 1 for name, value in layer.state_dict().items()})


def replaced_parameter(layer):
    layer.weight = nn.Parameter(layer.weight.detach() + 1)


def replaced_data(layer):
    for _ in range(3):  # the allocator may give back the memory that it had
        layer.weight.data = layer.weight.data.clone() + 1


def optimised(layer):
    layer.weight.grad = torch.ones_like(layer.weight)
    torch.optim.SGD([layer.weight], lr=1.0).step()


def changed_while_training(layer):
    layer.train()(torch.randn(1, 3, 8, 8))
    layer.weight.data.add_(1)  # behind the back of the version counter
    layer.eval()


@pytest.mark.parametrize(
    "change",
    [changed_in_place, changed_bias, loaded, replaced_parameter, replaced_data, optimised,
     changed_while_training],
)  # fmt: skip
def test_plans_follow_the_weights(change):
    layer, x = planned_layer()
    with torch.no_grad():
        before = layer(x)
        assert torch.equal(layer(x), before)
        assert len(layer.__dict__[PLANS]) == 1
    change(layer)
    with torch.no_grad():
        after = layer(x)
    torch.testing.assert_close(
        after, nn.functional.conv2d(x, layer.weight, layer.bias, padding=1), rtol=1e-5, atol=1e-5
    )
    assert not torch.equal(before, after)


def test_plans_are_bounded_and_not_copied():
    layer, _ = planned_layer()
    with torch.inference_mode():
        for size in range(3, 20):
            layer(torch.randn(1, 3, size, size))
    assert 1 < len(layer.__dict__[PLANS]) <= 8
    assert len(copy.deepcopy(layer).__dict__[PLANS]) == 0
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    again = torch.load(file, weights_only=False)
    assert len(again.__dict__[PLANS]) == 0
    x = torch.randn(1, 3, 5, 5)
    with torch.no_grad():
        assert torch.equal(again(x), layer(x))


def test_a_plan_serves_no_gradient_and_its_errors_are_those_of_the_call():
    layer, x = planned_layer()
    layer(x).sum().backward()  # eval mode, and still a gradient is wanted
    assert layer.weight.grad is not None
    with torch.no_grad(), pytest.raises(fastconv.ShapeError, match="channels"):
        layer(x[:, :2])
    with torch.no_grad(), pytest.raises(fastconv.DTypeError, match="float64"):
        layer(x.double())


def losses(model, steps=6):
    torch.manual_seed(1)
    x, target = torch.randn(8, 3, 16, 16, dtype=torch.float64), torch.randint(0, 10, (8,))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    curve = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(model(x), target)
        loss.backward()
        optimiser.step()
        curve.append(loss.item())
    return torch.tensor(curve)


def test_training_gives_the_same_loss_curve():
    model = network().double().eval()
    swapped = copy.deepcopy(model)
    assert len(ft.accelerate(swapped).swapped) == 5
    expected, actual = losses(model.train()), losses(swapped.train())
    assert expected[-1] < 0.9 * expected[0]
    torch.testing.assert_close(actual, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_compiles_without_a_break(backend, tmp_path, monkeypatch):
    # Code that an earlier version left in the cache may call operators by an older schema.
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch._dynamo.reset()
    model = network().eval()
    ft.accelerate(model)
    layers = model if backend == "aot_eager" else model[3:7]
    shape = (2, 3, 16, 16) if backend == "aot_eager" else (2, 16, 16, 16)
    compiled = torch.compile(layers, backend=backend, fullgraph=True)
    for training in (True, False):
        layers.train(training)
        x = torch.randn(shape, requires_grad=True)
        y = compiled(x)
        (gradient,) = torch.autograd.grad(y.square().sum(), x)
        expected = layers(x)
        torch.testing.assert_close(y, expected, rtol=1e-4, atol=1e-5)
        (wanted,) = torch.autograd.grad(expected.square().sum(), x)
        torch.testing.assert_close(gradient, wanted, rtol=1e-3, atol=1e-4)


def test_export_and_script_traces_compute_the_same():
    model = network().eval()
    ft.accelerate(model)
    x = torch.randn(2, 3, 16, 16)
    expected = model(x)
    exported = torch.export.export(model, (x,)).module()
    torch.testing.assert_close(exported(x), expected)
    torch.testing.assert_close(torch.jit.trace(model, x)(x), expected)
