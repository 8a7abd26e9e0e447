"""The planner's estimate of memory is near the peaks of PyTorch's allocator."""

from tests.device import peaks, too_large

WITHIN = 1.3
"""The estimate is at most so many times the peak, and the peak so many times the estimate."""


def test_the_estimate_is_near_the_peak_of_every_driver(on_the_stub):
    lines = on_the_stub("-m", "tests.device.peaks")
    assert len(lines) == len(peaks.PACKS)
    ratios = {line["name"]: line["estimate"] / line["peak"] for line in lines}
    assert {name: r for name, r in ratios.items() if not 1 / WITHIN < r < WITHIN} == {}


def test_every_cell_of_packs_that_do_not_fit_is_trained_in_packs_that_do(on_the_stub):
    *packs, alone = on_the_stub("-m", "tests.device.too_large")
    assert [tuple(line["flags"]) for line in packs] == list(too_large.ALLOWED)
    for line in packs:
        assert line["failed"] == []
        assert line["widths"][0] == too_large.WIDTH
        assert 2 <= min(line["widths"]) < too_large.WIDTH
        assert line["peak"] <= too_large.ALLOWED[tuple(line["flags"])]
    assert alone["widths"] == [1]
    assert alone["peak"] < too_large.ALONE < min(line["peak"] for line in packs)
