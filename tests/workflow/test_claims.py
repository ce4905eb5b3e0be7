"""The studies that test the published claims, and the scripts that analyse them."""

import importlib
import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from blindtune.datasets.base import Split
from support.dag import ROOT, plan

BENCHMARKS = ROOT / "workflow" / "benchmarks"
STUDIES = ROOT / "workflow" / "studies"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what imports a script of workflow/benchmarks."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


def make_splits(samples: int = 64) -> dict[str, Split]:
    """Return three splits of two features, whose first one decides the class."""
    random = np.random.default_rng(3)
    x = {name: random.normal(size=(samples, 2)).astype(np.float32) for name in ("train", "dev", "eval")}
    return {name: Split(each, (each[:, 0] > 0).astype(np.int64)) for name, each in x.items()}


def make_set(train: float, dev: float, evaluated: float, running: float = 0.9) -> dict[str, Any]:
    """Return the record of a set that was trained for one epoch."""
    return {"train": train, "dev": dev, "eval": evaluated, "curve": [[running, 0.5, dev, 0.5]], "n_parameters": 9}


def write_run(results: Path, system: str, seed: int, wrong: list[bool], trials: list[dict[str, Any]]) -> None:
    """Write a card, trials and a decode, as far as the tables read them."""
    study = results / "claims" / "studies" / "isip_10" / system / str(seed)
    decode = results / "claims" / "decodes" / "isip_10" / system / str(seed)
    study.mkdir(parents=True)
    decode.mkdir(parents=True)
    card = {"train_error": 0.1, "dev_error": 0.2, "n_parameters": 9, "kind": "tuner" if trials else "manual"}
    (study / "card.json").write_text(json.dumps(card))
    (study / "trials.jsonl").write_text("".join(json.dumps(trial) + "\n" for trial in trials))
    (decode / "result.json").write_text(json.dumps({"error": float(np.mean(wrong)), "samples": len(wrong)}))
    np.savez(decode / "predictions.npz", wrong=np.array(wrong))


@pytest.mark.parametrize(
    ("name", "searches", "studies"),
    [("claims", {"mlp_a1", "mlp_a2", "tpe_10", "hyperband_10"}, 45), ("claims_drawn", {"mlp_a"}, 30)],
)
def test_studies_of_the_claims_are_planned(tmp_path: Path, name: str, searches: set[str], studies: int) -> None:
    """Each study file plans every system with every seed, searches included."""
    jobs = [job for job in plan(tmp_path, overlays=[STUDIES / f"{name}.yaml"]) if job.rule == "study"]
    assert len(jobs) == studies
    assert searches <= {part for job in jobs for wildcard in job.wildcards for part in wildcard.split("/")}


def test_ranks_of_best_are_those_of_every_draw(script: Any) -> None:
    """The probability of each rank is its share of all subsets."""
    tables = script("claims_tables")
    best = [min(subset) for subset in combinations(range(6), 3)]
    assert tables.ranks_of_best(6, 3) == pytest.approx([best.count(rank) / len(best) for rank in range(6)])
    assert tables.ranks_of_best(500, 500)[0] == 1


def test_choose_takes_the_lowest(script: Any) -> None:
    """All sets searched, the lowest is chosen; one set searched, each is equally likely."""
    tables = script("claims_tables")
    sets = [make_set(0.3, 0.25, 0.42), make_set(0.1242, 0.4011, 0.3234)]
    found = tables.choose(sets, lambda record: record["dev"], 2)
    assert (found["dev"], found["eval"], found["like"]) == pytest.approx((25, 42, 0))
    found = tables.choose(sets, lambda record: record["train"], 2)
    assert (found["eval"], found["like"], found["above"]) == pytest.approx((32.34, 1, 1))
    assert tables.choose(sets, lambda record: record["dev"], 1)["like"] == pytest.approx(0.5)


def test_margin_of_10_is_within_sampling_error(script: Any) -> None:
    """The published margin has an interval with 0; a margin on more samples has not."""
    tables = script("claims_tables")
    off, low, high = tables.margin(32.00, 32.34, 10_000)
    assert off == pytest.approx(0.34)
    assert low < 0 < high
    assert tables.margin(12.87, 14.22, 250_000)[1] > 0


def test_largest_significant_disagreement_is_where_mcnemar_turns(script: Any) -> None:
    """Two samples more, and McNemar's exact test finds nothing."""
    from scipy.stats import binomtest

    most = script("claims_tables").largest_significant_disagreement(34, 10_000)
    fewer = (most - 34) // 2
    assert binomtest(fewer, most).pvalue < 0.05 <= binomtest(fewer + 1, most + 2).pvalue


def test_tables_read_records_and_name_what_is_missing(script: Any, tmp_path: Path) -> None:
    """Runs are compared seed by seed; a table without records says what has to run."""
    tables = script("claims_tables")
    trials = [{"status": "completed", "score": 0.3}, {"status": "diverged", "score": None}]
    for seed in (42, 43):
        write_run(tmp_path / "results", "mlp_m1", seed, [True, False, False, False], [])
        write_run(tmp_path / "results", "mlp_a1", seed, [True, True, False, False], trials)
        write_run(tmp_path / "results", "mlp_a2", seed, [True, True, False, False], trials)
    write_run(tmp_path / "results", "mlp_m1", 44, [True, True, True, True], [])
    readings = tmp_path / "readings"
    readings.mkdir()
    (readings / "kept_isip_10_mlp_a1_42.jsonl").write_text(json.dumps(make_set(0.1, 0.2, 0.2)) + "\n")
    (readings / "sets_held_out_fused.jsonl").write_text(json.dumps(make_set(0.1, 0.2, 0.3) | {"held": 0.1}) + "\n")
    records = tables.Records(tmp_path / "results", readings)
    found = {name: make(records) for name, make in tables.TABLES.items()}
    assert "| isip_10: mlp_a1 minus mlp_m1 | 2 | +25.00 |" in found["differences"]
    assert "| isip_10 mlp_a1 | 2 | 2 | 0 | 0 | 0 | 2 |" in found["outcomes"]
    assert "| isip_10 mlp_a1, seed 42 | 1 | 20.00 | 25.00 | 1.000 |" in found["expert"]
    assert "held-out fifth" in found["readings"]
    assert "Not finished yet" in found["networks"]
    assert "Not finished yet" in found["trainings"]
    assert found["hashes"].count("isip_10/") == 7


def test_records_are_packed_and_unpacked(script: Any, tmp_path: Path) -> None:
    """Archives hold decoded seeds alone, are the same for the same records, and never replace other records."""
    pack, unpack = script("claims_records").pack, script("claims_records").unpack
    results = tmp_path / "results"
    write_run(results, "mlp_m1", 42, [True, False], [])
    write_run(results, "mlp_m1", 43, [True, False], [])
    (results / "claims" / "decodes" / "isip_10" / "mlp_m1" / "43" / "result.json").unlink()
    write_run(results, "mlp_m2", 42, [True, False], [])
    write_run(results, "mlp_m2", 44, [True, False], [])
    (results / "readings").mkdir()
    (results / "readings" / "kept.jsonl").write_text("{}\n")
    archives = pack(results, tmp_path / "archives")
    assert [path.name for path in archives] == ["claims_isip_10_42.tar.xz", "readings.tar.xz"]
    first = [path.read_bytes() for path in archives]
    assert [path.read_bytes() for path in pack(results, tmp_path / "again")] == first
    unpack(tmp_path / "archives", tmp_path / "copy")
    unpack(tmp_path / "archives", tmp_path / "copy")
    card = Path("claims/studies/isip_10/mlp_m1/42/card.json")
    assert (tmp_path / "copy" / card).read_bytes() == (results / card).read_bytes()
    (tmp_path / "copy" / card).write_text("{}")
    with pytest.raises(SystemExit, match=r"card\.json differs"):
        unpack(tmp_path / "archives", tmp_path / "copy")


def test_trained_networks_are_compared_with_the_paper(script: Any, tmp_path: Path) -> None:
    """A training like the published one counts, whose train error is that of the training itself."""
    tables = script("claims_tables")
    sets = [make_set(0.1, 0.4, 0.32, running=0.12), make_set(0.3, 0.25, 0.42, running=0.3)]
    text = "".join(json.dumps(record) + "\n" for record in sets)
    (tmp_path / "networks_mlp_a2_fused.jsonl").write_text(text)
    records = tables.Records(tmp_path, tmp_path)
    assert "| 1 of 2 |" in tables.networks(records)
    assert "| 2 | 25.00 (epoch 1) | 30.00 | 25.00 | 42.00 |" in tables.trainings(records)


def test_fill_replaces_tables_and_nothing_else(script: Any) -> None:
    """A page that is filled twice is the same as one that is filled once."""
    tables = script("claims_tables")
    page = "a\n<!-- begin one -->\nold\n<!-- end one -->\nb\n"
    once = tables.fill(page, {"one": r"new \1", "two": "unused"})
    assert once == "a\n<!-- begin one -->\n\nnew \\1\n\n<!-- end one -->\nb\n"
    assert tables.fill(once, {"one": r"new \1"}) == once


def test_page_has_a_place_for_every_table(script: Any) -> None:
    """Each table is written somewhere into the page."""
    page = (ROOT / "docs" / "measured" / "claims.md").read_text(encoding="utf-8")
    for name in script("claims_tables").TABLES:
        assert f"<!-- begin {name} -->" in page
        assert f"<!-- end {name} -->" in page


@pytest.mark.parametrize("name", ["ours", "held out", "dropout of inputs too", "deeper and wider", "loss searched"])
def test_readings_record_every_set(script: Any, tmp_path: Path, name: str) -> None:
    """A reading trains its sets, and gives the same set for the same number."""
    readings = script("claims_readings")
    reading = readings.READINGS[name]
    both = list(readings.train_reading(reading, make_splits(), "fused", range(2)))
    [second] = readings.train_reading(reading, make_splits(), "fused", range(1, 2))
    assert second == both[1]
    assert all(record["status"] != "completed" or 0 <= record["eval"] <= 1 for record in both)
    assert ("held" in both[0]) == reading.held_out
    readings.append(tmp_path / "a.jsonl", both)
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == 2


def test_networks_are_those_of_the_paper(script: Any) -> None:
    """The networks have the published numbers of weights."""
    readings = script("claims_readings")
    for name, weights in (("mlp_a1", 20_361), ("mlp_a2", 10_280)):
        [record] = readings.train_network(name, make_splits(), "fused", range(1))
        assert record["n_parameters"] == weights


def test_stack_trains_as_pytorch_does(script: Any) -> None:
    """A network of the stack has the weights that PyTorch's own layers and Adam give."""
    manual = script("claims_manual")
    ways = [manual.Way(rate=0.01, decay=0.1), manual.Way(rate=0.02, standardized=True)]
    stack = manual.Stack(ways, (2, 4, 2), 0.0, torch.float64)
    stack.draw_weights(torch.Generator().manual_seed(1))
    start = stack.flat.detach()[0].clone()
    split = make_splits(32)["train"]
    x, y = torch.as_tensor(split.x, dtype=torch.float64), torch.as_tensor(split.y)
    order = torch.arange(32).repeat(2, 1)
    stack.train_epoch((x, y), (3 * x, y), order, 8, torch.Generator())

    model = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)).double()
    with torch.no_grad():
        model[0].weight.copy_(start[:8].view(2, 4).T)
        model[0].bias.copy_(start[8:12])
        model[2].weight.copy_(start[12:20].view(4, 2).T)
        model[2].bias.copy_(start[20:])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=0.1)
    for rows in order[0].split(8):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()
    expected = torch.cat([model[0].weight.T.flatten(), model[0].bias, model[2].weight.T.flatten(), model[2].bias])
    torch.testing.assert_close(stack.flat.detach()[0], expected.detach())


def test_every_way_is_trained_and_scored(script: Any) -> None:
    """Each way gives errors of every seed and epoch, and networks with a high rate learn."""
    manual = script("claims_manual")
    ways = [manual.Way(rate=0.02), *manual.WAYS.values()]
    found = manual.train_stack(make_splits(), ways, seeds=2, units=(2, 8, 2), dropout=0.3, batch=8, epochs=6)
    assert [each.shape for each in found] == [(2, 6, 7)] * len(ways)
    assert found[0][:, -1, 0].max() < 0.2
