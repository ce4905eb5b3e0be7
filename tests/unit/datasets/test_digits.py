"""The digits that ship with scikit-learn: every picture in one split, by seed and share."""

import numpy as np
import pytest

from blindtune.core.errors import UserError
from blindtune.core.validation import parse
from blindtune.datasets.base import SPLITS, LoadedDataset
from blindtune.datasets.digits import DigitsConfig, DigitsSource
from blindtune.datasets.prepared import check, digest_of_split


def digits(**changes: float) -> LoadedDataset:
    return DigitsSource(DigitsConfig.model_validate({"source": "digits"} | changes)).load({})


def test_load_splits_each_class_in_shares() -> None:
    """Each picture is in one split, in shares of each class."""
    loaded = digits()
    check("digits", loaded)
    counts = {name: np.bincount(loaded.splits[name].y, minlength=10) for name in SPLITS}
    total = sum(counts.values())
    assert total.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    for name in ("dev", "eval"):
        assert counts[name].tolist() == [round(0.2 * count) for count in total]
    everything = np.concatenate([loaded.splits[name].x for name in SPLITS])
    assert everything.shape == (1797, 8, 8, 1) and everything.dtype == np.float32
    assert (everything.min(), everything.max()) == (0.0, 1.0)
    assert loaded.axes == ["sample", "row", "column", "channel"] and loaded.classes == list("0123456789")


def test_load_keeps_labels_and_orientation() -> None:
    """Pictures keep their labels and orientation."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    known: dict[bytes, set[int]] = {}
    for image, label in zip(bunch.images, bunch.target, strict=True):
        known.setdefault((image / 16).astype(np.float32).tobytes(), set()).add(int(label))
    loaded = digits()
    for split in loaded.splits.values():
        for picture, label in zip(split.x, split.y, strict=True):
            assert int(label) in known[picture[:, :, 0].tobytes()]


def test_load_depends_on_seed_and_shares() -> None:
    """Seed and shares decide the split."""

    def hashes(**changes: float) -> list[str]:
        return [digest_of_split(split) for split in digits(**changes).splits.values()]

    assert hashes() == hashes(seed=1)
    assert all(one != other for one, other in zip(hashes(), hashes(seed=2), strict=True))
    loaded = digits(dev=0.1, eval=0.5)
    assert len(loaded.splits["dev"].y) == pytest.approx(180, abs=5)
    assert len(loaded.splits["eval"].y) == pytest.approx(898, abs=5)


@pytest.mark.parametrize("shares", [{"dev": 0.5, "eval": 0.5}, {"dev": 0.9}, {"dev": 0.0}, {"eval": 1.0}])
def test_config_refuses_shares_without_train(shares: dict[str, float]) -> None:
    """Shares that leave nothing for a split are refused."""
    with pytest.raises(UserError, match=r"dev|eval"):
        parse(DigitsConfig, {"source": "digits"} | shares, "config.yaml")
