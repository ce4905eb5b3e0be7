"""The studies that test the published claims, and the scripts that analyse them."""

import importlib
import json
import shutil
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from blindtune.datasets.base import Split
from blindtune.records.post_mortem import PostMortem, write_post_mortem
from support.dag import ROOT, plan
from support.post_mortems import analysed

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
    trials = [{"status": "completed", "score": 0.3, "epochs": 10}, {"status": "diverged", "score": None, "epochs": 2}]
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
    assert "| isip_10 mlp_a1 | 2 | 24 | 2 | 0 | 0 | 0 | 2 |" in found["outcomes"]
    assert "| isip_10 mlp_a1, seed 42 | 1 | 20.00 | 25.00 | 1.000 |" in found["expert"]
    assert "held-out fifth" in found["readings"]
    assert "| isip_10 mlp_m1 | 3 |" in found["gaps"]
    assert "Not finished yet" in found["networks"]
    assert "Not finished yet" in found["trainings"]
    assert found["hashes"].count("isip_10/") == 7


@pytest.mark.filterwarnings("ignore::scipy.stats.ConstantInputWarning")
def test_halves_correlate_dev_and_eval_apart(script: Any, tmp_path: Path) -> None:
    """Where a search chooses, dev can lead away from eval, though both go together over all of its trials."""
    tables = script("claims_tables")
    near = [make_set(0.1, 0.1 + 0.01 * number, 0.4 - 0.01 * number) for number in range(10)]
    far = [make_set(0.1, 0.5 + 0.01 * number, 0.6 + 0.01 * number) for number in range(10)]
    lines = "".join(json.dumps(one) + "\n" for one in [*far, *near])
    (tmp_path / "kept_isip_10_mlp_a1_42.jsonl").write_text(lines, encoding="utf-8")
    found = tables.halves(tables.Records(tmp_path / "none", tmp_path))
    [row] = [line for line in found.splitlines() if "isip_10" in line]
    assert row.startswith("| isip_10 mlp_a1 | 1 | -1.000 | +1.000 | +0.7"), row


def write_post_mortem_of(
    results: Path, system: str, seed: int, errors: list[tuple[float | None, float | None]], expected: float
) -> None:
    """Write a post-mortem of trials with these errors on dev and eval; the lowest on dev was chosen."""
    trials = [
        analysed(number, dev, error, 100, n_parameters=10 * number + 10, status="completed" if error else "diverged")
        for number, (dev, error) in enumerate(errors)
    ]
    chosen = min((trial for trial in trials if trial.dev_error is not None), key=lambda trial: trial.dev_error or 0)
    found = PostMortem(
        study=f"claims/isip_10/{system}/{seed}", frozen_sha256="f", eval_sha256="e", trials_sha256="t",
        chosen=chosen.trial, samples=100, cross_chosen_error=expected, trials=trials, analysed="2026-01-01",
    )  # fmt: skip
    write_post_mortem(results / f"claims/post_mortems/isip_10/{system}/{seed}/post_mortem.json", found)


def test_post_mortem_tells_selection_from_search(script: Any, tmp_path: Path) -> None:
    """What was met and not chosen is a failure of selection, what was not met one of search, each with its bounds."""
    tables, results = script("claims_tables"), tmp_path / "results"
    better = [(0.5, 0.2), (0.4, 0.25), (0.3, 0.3), (0.2, 0.4), (0.1, 0.5), (None, None)]
    worse = [(0.5, 0.5), (0.4, 0.49), (0.3, 0.48), (0.2, 0.47), (0.1, 0.46)]
    for seed in (42, 43):
        write_run(results, "mlp_m1", seed, [True] * 30 + [False] * 70, [])
        write_run(results, "mlp_a1", seed, [True] * 50 + [False] * 50, [{"status": "completed", "score": 0.1}])
        write_run(results, "mlp_a2", seed, [True] * 46 + [False] * 54, [{"status": "completed", "score": 0.1}])
        write_post_mortem_of(results, "mlp_a1", seed, better, 0.22)
        write_post_mortem_of(results, "mlp_a2", seed, worse, 0.47)
    records = tables.Records(results, tmp_path)
    _, _, first, second = tables.post_mortem(records).splitlines()
    assert first == (
        "| isip_10 mlp_a1, mlp_m1 | 2 | 10 of 12 | 50.00 (50.00 to 50.00) | 20.00 (20.00 to 20.00) | 5 (5 to 5) | "
        "30.00 (30.00 to 30.00) | +20.00 (+20.00 to +20.00) | +28.00 to +30.00 | -10.00 to -8.00 | "
        "30.00 (30.00 to 30.00) | no value | "
        "-1.00 (-1.00 to -1.00) | +1.00 (+1.00 to +1.00) | selection |"
    )
    assert (
        "| -1.00 to +0.00 | +16.00 to +17.00 | 0.00 (0.00 to 0.00) | 0.00 (0.00 to 0.00) |" in second
        and second.endswith("| search |")
    )
    # What a post-mortem scores serves the other tables too; the diverged set counts as one of six.
    assert "| isip_10 mlp_a1, seed 42 | 1 | 33.00 | 30.00 | 0.500 |" in tables.expert(records)
    assert "| isip_10 mlp_a1, seed 42 | 6 | 50.00 | 30.00 | 0.000 |" in tables.expert(records)
    assert tables.hashes(records).count("post-mortem of isip_10/") == 4


def test_chances_of_choice_share_ties_and_count_sets_without_a_score(script: Any) -> None:
    """Equal sets are equally likely, and the probabilities are those of every draw."""
    tables = script("claims_tables")
    draws = list(combinations(range(5), 2))  # three scored sets, of which two tie, and two without a score
    both, one = draws.count((0, 1)), sum(0 in draw for draw in draws)
    found = tables.chances_of_choice([0.1, 0.1, 0.2], 5, 2)
    first = (one - both / 2) / len(draws)
    assert found == pytest.approx([first, first, sum(draw in ((2, 3), (2, 4)) for draw in draws) / len(draws)])


def test_tables_pass_over_superseded_records(script: Any, tmp_path: Path) -> None:
    """A folder that a resumed study has replaced is no seed."""
    write_run(tmp_path, "mlp_m1", 42, [True, False], [])
    for kind in ("studies", "decodes"):
        folder = tmp_path / "claims" / kind / "isip_10" / "mlp_m1"
        shutil.copytree(folder / "42", folder / "42.superseded-1")
    assert [run.seed for run in script("claims_tables").Records(tmp_path, tmp_path).runs] == [42]
    [archive] = script("claims_records").pack(tmp_path, tmp_path / "archives")
    assert archive.name == "claims_isip_10_42.tar.xz"


def test_tables_refuse_other_predictions(script: Any, tmp_path: Path) -> None:
    """Predictions that are not those of their result end the script: no number is made of them."""
    write_run(tmp_path, "mlp_m1", 42, [True, False], [])
    path = tmp_path / "claims/decodes/isip_10/mlp_m1/42/result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"predictions_sha256": "0" * 64}))
    with pytest.raises(SystemExit, match="is not what"):
        _ = script("claims_tables").Records(tmp_path, tmp_path).runs


def test_page_keeps_tables_whose_records_are_not_there(script: Any, tmp_path: Path) -> None:
    """A table of records that are lost is not replaced by the word that they are missing."""
    tables = script("claims_tables")
    page = "<!-- begin networks -->\n\n| network |\n| --- |\n| old |\n\n<!-- end networks -->\n"
    page += "<!-- begin expert -->\n<!-- end expert -->"
    records = tables.Records(tmp_path, tmp_path)
    made = {name: tables.TABLES[name](records) for name in ("networks", "expert")}
    assert {name: tables.list_lost(page, name, text) for name, text in made.items()} == {
        "networks": ["old"],
        "expert": [],
    }


def fill_page(script: Any, monkeypatch: pytest.MonkeyPatch, page: Path, folder: Path, *arguments: str) -> str:
    """Write the tables of the errors and of the networks from the records of a folder into a page; return its text."""
    given = ["--results", str(folder), "--readings", str(folder), "--page", str(page), "--tables", "errors", "networks"]
    monkeypatch.setattr("sys.argv", ["claims_tables.py", *given, *arguments])
    script("claims_tables").main()
    return page.read_text(encoding="utf-8")


def test_page_loses_no_row_without_being_told(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table whose records are there in part is kept and named, until it may lose rows; without records it stays."""
    for seed in (42, 43):
        write_run(tmp_path / "all", "mlp_m1", seed, [True, False], [])
        write_run(tmp_path / "all", "mlp_m2", seed, [True, False], [])
    (tmp_path / "all" / "networks_mlp_a2_fused.jsonl").write_text(json.dumps(make_set(0.1, 0.4, 0.32)) + "\n")
    page = tmp_path / "page.md"
    page.write_text("".join(f"<!-- begin {name} -->\n<!-- end {name} -->\n" for name in ("errors", "networks")))
    full = fill_page(script, monkeypatch, page, tmp_path / "all")
    assert "isip_10 mlp_m2" in full and "mlp_a2, fused" in full and capsys.readouterr().err == ""
    # One system is lost, and a seed of the other.
    write_run(tmp_path / "part", "mlp_m1", 42, [True, False], [])
    assert fill_page(script, monkeypatch, page, tmp_path / "part") == full
    told = capsys.readouterr().err
    assert "errors: kept as it is, without the records of “isip_10 mlp_m1”, “isip_10 mlp_m2”" in told
    assert "networks: kept as it is, without the records of “mlp_a2, fused”" in told and "--drop-rows" in told
    less = fill_page(script, monkeypatch, page, tmp_path / "part", "--drop-rows")
    assert "isip_10 mlp_m2" not in less and "mlp_a2, fused" in less
    assert "errors: replaced, and lost “isip_10 mlp_m1”" in capsys.readouterr().err
    # More records are written at once.
    assert fill_page(script, monkeypatch, page, tmp_path / "all") == full


def test_searches_that_a_row_is_the_mean_of_are_counted(script: Any) -> None:
    """A row of five searches is not replaced by one of two of them."""
    tables = script("claims_tables")
    rows = [f"| ours | {count} x 490 to 491 | 15 |" for count in (5, 2)]
    before, after = (tables.table(["reading", "sets", "n"], []) + f"\n{row}" for row in rows)
    page = f"<!-- begin readings -->\n\n{before}\n\n<!-- end readings -->"
    assert tables.list_lost(page, "readings", after) == ["ours"]
    assert tables.list_lost(page, "readings", before) == []


def test_readings_are_made_of_searches_alone(script: Any, tmp_path: Path) -> None:
    """The table of readings has the searches whose sets were kept, without any other reading."""
    tables = script("claims_tables")
    assert "Not finished yet" in tables.readings(tables.Records(tmp_path, tmp_path))
    one = make_set(0.3, 0.25, 0.42)
    one["curve"] = [[0.3, 0.5, 0.25, 0.5]]
    (tmp_path / "kept_isip_10_mlp_a2_43.jsonl").write_text(json.dumps(one | {"loss": 0.5, "dev_loss": 0.5}) + "\n")
    assert "| our searches: lowest train error | 1 x 1 | 1 |" in tables.readings(tables.Records(tmp_path, tmp_path))


def test_records_are_packed_and_unpacked(script: Any, tmp_path: Path) -> None:
    """Archives hold decoded seeds alone, are the same for the same records, and never replace other records."""
    pack, unpack = script("claims_records").pack, script("claims_records").unpack
    results = tmp_path / "results"
    write_run(results, "mlp_m1", 42, [True, False], [])
    write_run(results, "mlp_m1", 43, [True, False], [])
    (results / "claims" / "decodes" / "isip_10" / "mlp_m1" / "43" / "result.json").unlink()
    write_run(results, "mlp_m2", 42, [True, False], [])
    write_run(results, "mlp_m2", 44, [True, False], [])
    write_post_mortem_of(results, "mlp_m2", 42, [(0.2, 0.5)], 0.5)
    (results / "readings").mkdir()
    (results / "readings" / "kept.jsonl").write_text("{}\n")
    archives = pack(results, tmp_path / "archives")
    names = ["claims_isip_10_42.tar.xz", "post_mortems.tar.xz", "readings.tar.xz"]
    assert [path.name for path in archives] == names
    first = [path.read_bytes() for path in archives]
    assert [path.read_bytes() for path in pack(results, tmp_path / "again")] == first
    unpack(tmp_path / "archives", tmp_path / "copy")
    unpack(tmp_path / "archives", tmp_path / "copy")
    assert (tmp_path / "copy/claims/post_mortems/isip_10/mlp_m2/42/post_mortem.json").exists()
    card = Path("claims/studies/isip_10/mlp_m1/42/card.json")
    assert (tmp_path / "copy" / card).read_bytes() == (results / card).read_bytes()
    (tmp_path / "copy" / card).write_text("{}")
    with pytest.raises(SystemExit, match=r"card\.json differs"):
        unpack(tmp_path / "archives", tmp_path / "copy")


def test_packing_a_part_keeps_the_rest(script: Any, tmp_path: Path) -> None:
    """Records that a folder lacks stay in the archives; those that differ are named, and replaced on demand alone."""
    pack, archives = script("claims_records").pack, tmp_path / "archives"
    for folder, system in (("all", "mlp_m1"), ("all", "mlp_m2"), ("one", "mlp_m1"), ("other", "mlp_m2")):
        write_run(tmp_path / folder, system, 42, [True, False], [])
        write_post_mortem_of(tmp_path / folder, system, 42, [(0.2, 0.5)], 0.5)
        (tmp_path / folder / "readings").mkdir(exist_ok=True)
        (tmp_path / folder / "readings" / f"kept_{system}.jsonl").write_text("{}\n")
    whole = [path.read_bytes() for path in pack(tmp_path / "all", tmp_path / "whole")]
    assert len(whole) == 3
    for _ in range(2):
        for folder in ("other", "one"):
            merged = [path.read_bytes() for path in pack(tmp_path / folder, archives)]
    assert merged == whole
    (tmp_path / "one/readings/kept_mlp_m1.jsonl").write_text('{"a": 1}\n')
    with pytest.raises(SystemExit, match=r"differ .*\n.*readings\.tar\.xz: readings/kept_mlp_m1\.jsonl\n.*--replace"):
        pack(tmp_path / "one", archives)
    assert (archives / "readings.tar.xz").read_bytes() == whole[2]
    pack(tmp_path / "one", archives, replace=True)
    script("claims_records").unpack(archives, tmp_path / "copy")
    texts = [path.read_text() for path in sorted((tmp_path / "copy/readings").iterdir())]
    assert texts == ['{"a": 1}\n', "{}\n"]


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
