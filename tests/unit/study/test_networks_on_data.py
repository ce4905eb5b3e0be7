"""Networks in a user's code that do not fit the samples of a dataset, or the last batch of an epoch."""

import re
from pathlib import Path

import pytest
import torch

from blindtune.core.errors import UserError
from blindtune.models import pytorch_network
from blindtune.models.forms import create_form
from blindtune.models.network import NetworkBlueprint
from blindtune.models.network_program import describe_single_samples
from blindtune.models.own_code import OwnCodeError
from support.builders import prepared
from support.own_code import ask_in_this_process
from unit.study.test_networks import read_trials, run, write

NORMALIZED = """from torch import nn

def build(hyperparameters, input_shape, n_classes):
    return nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, n_classes))
"""


@pytest.fixture(autouse=True)
def asked_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask code in this process."""
    ask_in_this_process(monkeypatch)


def test_batch_size_that_leaves_one_sample_is_refused_before_the_first_trial(tmp_path: Path) -> None:
    """The message names the batch size and one that works, and nothing is recorded; the advice works."""
    data = prepared(tmp_path / "toy", train=65, dev=30)
    message = "65 samples in batches of 16 (Expected more than 1 value per channel"
    with pytest.raises(UserError, match=rf"test/toy/it/42: .*net\.py: .*{re.escape(message)}.* batch_size, such as 17"):
        run(write(tmp_path / "one", NORMALIZED), data, tmp_path / "first")
    assert not (tmp_path / "first" / "trials.jsonl").exists()
    settings = write(tmp_path / "two", NORMALIZED, "batch_size: {type: choice, options: [16, 17]}\n")
    run(settings, data, tmp_path / "second", 6)
    trials = read_trials(tmp_path / "second")
    reasons = {trial.hyperparameters["batch_size"]: (trial.status, trial.reason) for trial in trials}
    assert reasons[17] == ("completed", None)
    assert reasons[16][0] == "failed" and message in str(reasons[16][1])


def test_network_of_other_inputs_is_refused_before_the_first_trial(tmp_path: Path) -> None:
    """The message names the shape of the samples; a set that fits is enough."""
    data = prepared(tmp_path / "toy", train=60, dev=30)
    code = NORMALIZED.replace("nn.Linear(2, 4)", "nn.Linear({}, 4)")
    with pytest.raises(
        UserError, match=r"samples of the dataset, which have the shape \(2,\), and its 2 classes; e\.g\."
    ):
        run(write(tmp_path / "one", code.format(784)), data, tmp_path / "first")
    assert not (tmp_path / "first" / "trials.jsonl").exists()
    some = code.format("2 if hyperparameters['units'] > 4 else 784")
    run(write(tmp_path / "two", some), data, tmp_path / "second", 6)
    failed = [str(trial.reason) for trial in read_trials(tmp_path / "second") if trial.status == "failed"]
    assert all("the network does not take samples of shape (2,): mat1 and mat2" in reason for reason in failed)


@pytest.mark.parametrize("options", ["[batch, none]", "[none, batch]"])
def test_space_in_which_some_sets_take_one_sample_is_run(tmp_path: Path, options: str) -> None:
    """Sets that fail on a last batch of one sample refuse no study of which others are trained, in any order."""
    code = NORMALIZED.replace("nn.BatchNorm1d(4)", "*[nn.BatchNorm1d(4)][: hyperparameters['norm'] == 'batch']")
    settings = write(tmp_path, code, f"norm: {{type: choice, options: {options}}}\n")
    run(settings, prepared(tmp_path / "toy", train=65, dev=30), tmp_path / "study", 6)
    statuses = {trial.hyperparameters["norm"]: trial.status for trial in read_trials(tmp_path / "study")}
    assert statuses == {"batch": "failed", "none": "completed"}


@pytest.mark.parametrize(("n_samples", "batch_size"), [(65, 16), (17, 16), (7, 1), (7, 2), (5041, 70)])
def test_advised_batch_size_leaves_no_single_sample(n_samples: int, batch_size: int) -> None:
    """The advice is a larger batch size whose last batch has more than one sample."""
    found = re.search(r"such as (\d+)", describe_single_samples(n_samples, batch_size, "reason"))
    assert found is not None
    advised = int(found[1])
    assert advised > batch_size and n_samples % advised != 1


CHANGES = """import os
import torch
from torch import nn

NUMBER = torch.rand(3)

def build(hyperparameters, input_shape, n_classes):
    os.chdir("/")
    torch.set_num_threads(torch.get_num_threads() + 1)
    network = nn.Linear(2, n_classes)
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    return network
"""


def test_code_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    """Settings of PyTorch and the working folder are those of before, and an import that draws changes no weights."""
    blueprint = create_form(write(tmp_path, CHANGES).model_choice).build({"units": 3}, (2,), 2)
    assert isinstance(blueprint, NetworkBlueprint)

    def state() -> tuple[object, ...]:
        return Path.cwd(), torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled()

    before = state()
    first, second = (pytorch_network.build(blueprint, 7).state_dict() for _ in range(2))
    assert state() == before
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("call", ["torch.set_default_dtype(torch.float64)", "torch.set_grad_enabled(False)"])
def test_settings_changed_by_an_import_are_refused_for_each_build(tmp_path: Path, call: str) -> None:
    """They would hold for the first network of a process alone; the message says where to call the function."""
    code = CHANGES.replace("NUMBER = torch.rand(3)", call)
    blueprint = create_form(write(tmp_path, code).model_choice).build({"units": 3}, (2,), 2)
    assert isinstance(blueprint, NetworkBlueprint)
    for _ in range(2):
        with pytest.raises(OwnCodeError, match=rf"{call.partition('(')[0]} while it is imported.*inside the function"):
            pytorch_network.build(blueprint, 7)
        assert torch.get_default_dtype() == torch.float32 and torch.is_grad_enabled()
