"""The poolings, unfoldings and image filters that every kernel is tested on."""

from __future__ import annotations

from case_names import WIDTHS, named_case
from fastconv.benchmarks.problem import Problem


def _max_and_min() -> list[Problem]:
    cases = []
    for kind in ("max", "min"):
        op = f"{kind}_pool2d"
        image = (2, 3, 11, 13)
        cases += [
            named_case(op, image, kernel_size=2),
            named_case(op, image, kernel_size=3, stride=2, padding=1),
            named_case(op, image, kernel_size=3, stride=1, padding=1),
            named_case(op, image, kernel_size=3, stride=2, ceil_mode=True),
            named_case(op, image, kernel_size=(3, 2), stride=(2, 3), padding=(1, 0)),
            named_case(op, image, kernel_size=3, stride=2, padding=1, return_indices=True),
            named_case(op, image, kernel_size=2, ceil_mode=True, return_indices=True),
            named_case(
                op, image, kernel_size=3, stride=1, dilation=2, padding=1, return_indices=True
            ),
            named_case(op, image, kernel_size=(2, 3), stride=2, dilation=(5, 3), padding=(0, 2)),
            named_case(
                op, image, kernel_size=3, stride=2, padding=((1, 0), (0, 1)), ceil_mode=True
            ),
            named_case(op, image, kernel_size=4, stride=1, padding="same", return_indices=True),
            named_case(op, image, kernel_size=2, stride=5, padding="valid"),
            named_case(op, image, kernel_size=(11, 13), return_indices=True),
            named_case(op, image, kernel_size=1),
            named_case(op, image, kernel_size=1, stride=2, return_indices=True),
            named_case(op, image, kernel_size=7, stride=1, padding=3),
            named_case(op, image, kernel_size=5, stride=4, padding=2, ceil_mode=True),
            # Strides that loads cannot follow: lanes are kept, up to a vector's width.
            named_case(op, (2, 3, 11, 83), kernel_size=5),
            named_case(op, (1, 3, 9, 101), kernel_size=(3, 9), stride=(2, 7), padding=(1, 4)),
            named_case(op, (1, 2, 4, 140), kernel_size=(2, 4), stride=(3, 15), ceil_mode=True),
            named_case(op, (1, 2, 4, 90), kernel_size=(2, 3), stride=(3, 16)),
            named_case(op, (3, 6, 7), kernel_size=2, stride=()),
            named_case(op, (1, 2, 1, 1), kernel_size=2, stride=1, padding=1, return_indices=True),
            named_case(op, (1, 2, 3, 2), kernel_size=4, stride=3, padding=1, ceil_mode=True),
            named_case(op, (1, 130, 7, 7), kernel_size=7),
            named_case(op, (1, 65, 4, 5), kernel_size=3, stride=2, return_indices=True),
            named_case(op, (0, 3, 8, 8), kernel_size=2, return_indices=True),
            named_case(f"{kind}_pool1d", (2, 3, 50), kernel_size=5, stride=3, padding=2),
            named_case(
                f"{kind}_pool1d", (3, 21), kernel_size=4, return_indices=True, ceil_mode=True
            ),
            named_case(
                f"{kind}_pool1d", (1, 2, 40), kernel_size=3, dilation=7, stride=2, padding=7
            ),
            named_case(f"{kind}_pool1d", (1, 2, 70), kernel_size=33, stride=1, padding=16),
            named_case(f"{kind}_pool3d", (1, 3, 4, 5, 6), kernel_size=2, return_indices=True),
            named_case(f"{kind}_pool3d", (2, 2, 5, 6, 7), kernel_size=3, stride=2, padding=1),
            named_case(
                f"{kind}_pool3d",
                (1, 2, 5, 6, 9),
                kernel_size=(1, 3, 2),
                stride=(2, 1, 3),
                dilation=(1, 2, 3),
                padding=(0, 1, 1),
                ceil_mode=True,
                return_indices=True,
            ),
        ]
    for width in WIDTHS:
        cases += [
            named_case("max_pool2d", (1, 3, 5, width), kernel_size=3, stride=2, padding=1),
            named_case("max_pool2d", (2, 1, 4, width), kernel_size=(2, 1), return_indices=True),
            named_case("max_pool2d", (1, width, 4, 4), kernel_size=2),
        ]
    return cases


def _averages() -> list[Problem]:
    image = (2, 3, 11, 13)
    cases = [
        named_case("avg_pool2d", image, kernel_size=2),
        named_case("avg_pool2d", image, kernel_size=3, stride=1, padding=1),
        named_case(
            "avg_pool2d", image, kernel_size=3, stride=1, padding=1, count_include_pad=False
        ),
        named_case("avg_pool2d", image, kernel_size=3, stride=2, padding=1, ceil_mode=True),
        named_case(
            "avg_pool2d",
            image,
            kernel_size=(3, 4),
            stride=(2, 3),
            padding=(1, 2),
            ceil_mode=True,
            count_include_pad=False,
        ),
        named_case("avg_pool2d", image, kernel_size=3, divisor_override=4, padding=1),
        named_case("avg_pool2d", image, kernel_size=4, stride=1, padding="same"),
        named_case("avg_pool2d", (2, 3, 11, 83), kernel_size=5),
        named_case(
            "avg_pool2d",
            (1, 3, 9, 101),
            kernel_size=(3, 9),
            stride=(2, 7),
            padding=(1, 4),
            count_include_pad=False,
        ),
        named_case("avg_pool2d", (1, 2, 4, 140), kernel_size=(2, 4), stride=(3, 15)),
        named_case("avg_pool2d", image, kernel_size=3, stride=2, padding=((1, 0), (0, 1))),
        named_case(
            "avg_pool2d",
            image,
            kernel_size=3,
            stride=2,
            padding=((0, 1), (1, 0)),
            count_include_pad=False,
        ),
        named_case("avg_pool2d", image, kernel_size=(11, 13)),
        named_case("avg_pool2d", image, kernel_size=1, stride=3),
        named_case("avg_pool2d", image, kernel_size=2, stride=6, padding="valid"),
        named_case("avg_pool2d", (3, 6, 7), kernel_size=2, stride=()),
        named_case("avg_pool2d", (1, 130, 7, 7), kernel_size=7),
        named_case("avg_pool2d", (1, 5, 30, 31), kernel_size=15, stride=1, padding=7),
        named_case("avg_pool2d", (0, 3, 8, 8), kernel_size=2),
        named_case("avg_pool1d", (2, 3, 50), kernel_size=5, stride=2, padding=2),
        named_case("avg_pool1d", (3, 21), kernel_size=4, ceil_mode=True),
        named_case("avg_pool1d", (1, 2, 30), kernel_size=3, divisor_override=2),
        named_case("avg_pool3d", (1, 3, 4, 5, 6), kernel_size=2),
        named_case(
            "avg_pool3d", (2, 2, 5, 6, 7), kernel_size=3, stride=2, padding=1, ceil_mode=True
        ),
        named_case(
            "avg_pool3d",
            (1, 2, 5, 4, 17),
            kernel_size=(1, 2, 3),
            stride=(1, 2, 1),
            padding=(0, 1, 1),
            count_include_pad=False,
        ),
        named_case("avg_pool3d", (1, 2, 4, 4, 4), kernel_size=3, stride=1, divisor_override=5),
    ]
    for width in WIDTHS:
        cases += [
            named_case("avg_pool2d", (1, 3, 5, width), kernel_size=3, stride=2, padding=1),
            named_case("avg_pool2d", (1, width, 4, 5), kernel_size=2, stride=1),
        ]
    return cases


def _norms() -> list[Problem]:
    return [
        named_case("lp_pool2d", (2, 3, 8, 9), norm_type=2, kernel_size=2),
        named_case("lp_pool2d", (2, 3, 8, 9), norm_type=1, kernel_size=3, stride=2),
        named_case(
            "lp_pool2d", (2, 3, 8, 9), norm_type=2.0, kernel_size=3, stride=2, ceil_mode=True
        ),
        named_case("lp_pool2d", (3, 8, 17), norm_type=3, kernel_size=(2, 3), stride=(1, 2)),
        named_case("lp_pool2d", (1, 2, 6, 6), norm_type=1.5, kernel_size=2),
        named_case("lp_pool2d", (1, 2, 6, 6), norm_type=0.5, kernel_size=2),
        named_case("lp_pool1d", (2, 3, 20), norm_type=2, kernel_size=4, stride=3),
        named_case("lp_pool1d", (3, 20), norm_type=4, kernel_size=3, ceil_mode=True),
        named_case("lp_pool3d", (1, 2, 4, 5, 6), norm_type=2, kernel_size=2, stride=(1, 2, 2)),
    ]


def _adaptive() -> list[Problem]:
    cases = []
    for kind, more in (("avg", {}), ("max", {}), ("max", {"return_indices": True})):
        op = f"adaptive_{kind}_pool"
        cases += [
            named_case(f"{op}1d", (2, 3, 20), output_size=7, **more),
            named_case(f"{op}1d", (3, 5), output_size=12, **more),
            named_case(f"{op}2d", (2, 3, 11, 13), output_size=1, **more),
            named_case(f"{op}2d", (2, 3, 11, 13), output_size=(4, 5), **more),
            named_case(f"{op}2d", (2, 3, 11, 13), output_size=(11, 13), **more),
            named_case(f"{op}2d", (2, 3, 11, 13), output_size=(None, 4), **more),
            named_case(f"{op}2d", (2, 3, 11, 13), output_size=(22, 1), **more),
            named_case(f"{op}2d", (1, 65, 4, 6), output_size=2, **more),
            named_case(f"{op}2d", (3, 1, 1), output_size=3, **more),
            named_case(f"{op}2d", (0, 3, 6, 6), output_size=2, **more),
            named_case(f"{op}2d", (2, 3, 6, 6), output_size=(0, 2), **more),
            named_case(f"{op}3d", (1, 2, 4, 5, 6), output_size=(2, 3, 4), **more),
            named_case(f"{op}3d", (1, 2, 4, 5, 6), output_size=1, **more),
        ]
    cases.append(named_case("adaptive_avg_pool2d", (1, 0, 6, 6), output_size=2))
    return cases


def _unpool() -> list[Problem]:
    return [
        named_case("max_unpool1d", (2, 3, 8), kernel_size=2),
        named_case("max_unpool1d", (3, 8), kernel_size=3, stride=2, padding=1, output_size=(16,)),
        named_case("max_unpool2d", (2, 3, 4, 5), kernel_size=2),
        named_case("max_unpool2d", (3, 4, 5), kernel_size=2, stride=2, output_size=(9, 10)),
        named_case("max_unpool2d", (2, 3, 4, 5), kernel_size=3, stride=(2, 3), padding=1),
        named_case("max_unpool2d", (0, 3, 4, 5), kernel_size=2),
        named_case("max_unpool3d", (1, 2, 3, 4, 5), kernel_size=2),
        named_case("max_unpool3d", (1, 2, 2, 2, 3), kernel_size=(1, 2, 3), stride=(1, 2, 2)),
    ]


def _fold() -> list[Problem]:
    return [
        named_case("unfold", (2, 3, 7, 9), kernel_size=3),
        named_case("unfold", (2, 3, 7, 9), kernel_size=(2, 3), stride=(2, 1), padding=(1, 2)),
        named_case("unfold", (2, 3, 7, 9), kernel_size=3, dilation=2, padding=2, stride=2),
        named_case("unfold", (2, 3, 7, 9), kernel_size=(7, 9)),
        named_case("unfold", (2, 3, 7, 9), kernel_size=1, stride=3),
        named_case("unfold", (2, 3, 7, 9), kernel_size=2, padding=((1, 0), (0, 2))),
        named_case("unfold", (2, 3, 7, 9), kernel_size=2, padding="same"),
        named_case("unfold", (3, 5, 33), kernel_size=3, padding=5),
        named_case("unfold", (1, 5, 4, 100), kernel_size=3, padding=1),
        named_case("unfold", (0, 3, 7, 9), kernel_size=3),
        named_case("fold", (2, 27, 35), output_size=(7, 9), kernel_size=3),
        named_case("fold", (1, 8, 16), output_size=(8, 8), kernel_size=2, stride=2),
        named_case(
            "fold",
            (2, 18, 44),
            output_size=(7, 9),
            kernel_size=(2, 3),
            stride=(2, 1),
            padding=(1, 2),
        ),
        named_case(
            "fold", (2, 9, 20), output_size=(7, 9), kernel_size=3, dilation=2, padding=2, stride=2
        ),
        named_case("fold", (12, 12), output_size=(5, 4), kernel_size=2),
        named_case(
            "fold", (1, 12, 24), output_size=(4, 5), kernel_size=2, padding=((1, 0), (0, 2))
        ),
        named_case("fold", (1, 4, 4), output_size=5, kernel_size=2, stride=3),
        named_case("fold", (0, 12, 16), output_size=5, kernel_size=2),
    ]


def _images() -> list[Problem]:
    cases = []
    for op in ("convolve2d", "correlate2d"):
        for mode in ("full", "same", "valid"):
            for boundary in ("fill", "reflect", "nearest", "wrap"):
                cases += [
                    named_case(op, (9, 17), (3, 3), mode=mode, boundary=boundary),
                    named_case(op, (8, 10, 3), (4, 2), mode=mode, boundary=boundary),
                ]
        cases += [
            named_case(op, (6, 7), (3, 5)),
            named_case(op, (6, 7), (2, 2), mode="same", fill_value=2.5),
            named_case(op, (6, 7, 3), (4, 3), fill_value=-1.5),
            named_case(op, (1, 1), (3, 3), mode="same", boundary="reflect"),
            named_case(op, (3, 4), (7, 9), mode="same", boundary="nearest"),
            named_case(op, (3, 4), (6, 8), mode="full"),
            named_case(op, (20, 33), (15, 15), mode="same", boundary="reflect"),
            named_case(op, (40, 100), (31, 31), mode="valid"),
            named_case(op, (9, 33, 1), (1, 1)),
            named_case(op, (5, 9, 4), (1, 7), mode="same"),
            named_case(op, (12, 5, 2), (7, 1), mode="same", boundary="wrap"),
            *(named_case(op, (4, width), (3, 3), mode="same") for width in WIDTHS[::2]),
            *(
                named_case(op, (3, w, 3), (3, 3), mode="same", boundary="reflect")
                for w in WIDTHS[::4]
            ),
        ]
    return cases


POOL_CASES = [*_max_and_min(), *_averages(), *_norms(), *_adaptive()]
UNPOOL_CASES = _unpool()
FOLD_CASES = _fold()
IMAGE_CASES = _images()
