"""The planner's estimate of memory is near the peaks of PyTorch's allocator."""

import pytest

from tests.device import peaks, too_large

WITHIN = 1.3
"""The estimate is at most so many times the peak, and the peak so many times the estimate."""


def far_off(lines, scale=1.0):
    """Return the packs whose estimate, scaled, is not near the peak."""
    ratios = {line["name"]: scale * line["estimate"] / line["peak"] for line in lines}
    return {name: ratio for name, ratio in ratios.items() if not 1 / WITHIN < ratio < WITHIN}


@pytest.fixture(scope="module")
def estimated(on_the_stub):
    lines = on_the_stub("-m", "tests.device.peaks")
    assert len(lines) == len(peaks.PACKS)
    return lines


def test_the_estimate_is_near_the_peak_of_every_driver(estimated):
    assert far_off(estimated) == {}


def test_an_estimate_of_half_or_twice_as_much_is_found(estimated):
    assert len(far_off(estimated, 0.5)) == len(far_off(estimated, 2.0)) == len(peaks.PACKS)


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
