"""blindtune as a module of another workflow: its config, and where everything is with and without a prefix."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from snakemake.exceptions import WorkflowError

from support.builders import write_csv_folder
from support.dag import ROOT, Job, plan

#: Laid over config.yaml: a drawn set of it, made smaller, and one of the user's own files.
CONFIG: dict[str, Any] = {
    "name": "module",
    "seeds": [7],
    "compare": [
        {"dataset": "set_10", "systems": ["knn", "mlp_a1"], "budget": {"trials": 3}},
        {"dataset": "own", "systems": ["knn", "mine"], "budget": {"trials": 3}},
    ],
    "datasets": {
        "set_10": {"sizes": {"train": 200, "dev": 100, "eval": 100}},
        "own": {"source": "csv_folder", "folder": "mine"},
    },
    "systems": {"mine": {"kind": "manual", "model": "model.yaml"}},
}


def write_caller(folder: Path, config: dict[str, Any], *lines: str, given: str | None = "config") -> Path:
    """Write a workflow that uses blindtune as a module, with the files that its config names.

    Args:
        folder: of the workflow.
        config: of the workflow.
        lines: of the module besides its Snakefile and its config.
        given: what the module gets as its config, as code; None: it gets none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_csv_folder(folder / "mine")
    shutil.copy(ROOT / "resources" / "models" / "mlp_m1.yaml", folder / "model.yaml")
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    lines = (*lines, f"config: {given}") if given else lines
    module = [f"    snakefile: {str(ROOT / 'Snakefile')!r}", *(f"    {line}" for line in lines)]
    rules = ["use rule * from blindtune as blindtune_*", "rule all:", "    default_target: True"]
    target = "    input: rules.blindtune_all.input"
    text = "\n".join(['configfile: "config.yaml"', "module blindtune:", *module, *rules, target, ""])
    (folder / "Snakefile").write_text(text, encoding="utf-8")
    return folder / "Snakefile"


def plan_module(
    folder: Path, caller: dict[str, Any], *lines: str, given: str | None = "config", **more: Any
) -> list[Job]:
    """Return the jobs of the module, with their names in blindtune; `more` is for `plan`."""
    jobs = plan(folder, snakefile=write_caller(folder, caller, *lines, given=given), **more)
    return [rename(job) for job in jobs if job.rule not in ("all", "blindtune_all")]


def plan_alone(folder: Path, config: dict[str, Any]) -> list[Job]:
    """Return the same jobs, planned by blindtune itself."""
    write_caller(folder, config)
    return [job for job in plan(folder, config) if job.rule != "all"]


def rename(job: Job) -> Job:
    """Return a job with the name of its rule in blindtune."""
    return Job(**{**vars(job), "rule": job.rule.removeprefix("blindtune_")})


@pytest.mark.parametrize(
    ("caller", "given"),
    [(CONFIG, "config"), ({"samples": ["a"], "blindtune": CONFIG}, 'config["blindtune"]')],
    ids=["whole", "section"],
)
def test_config_of_a_module_is_merged_over_the_defaults(tmp_path: Path, caller: dict[str, Any], given: str) -> None:
    """A module plans what blindtune plans with the same overlay, from the caller's whole config or a section."""
    expected = plan_alone(tmp_path / "alone", CONFIG)
    assert len({job.rule for job in expected}) == 7
    assert plan_module(tmp_path / "module", caller, given=given) == expected


def test_module_without_a_config_follows_the_command_line(tmp_path: Path) -> None:
    """A module that gets no config reads that of the clone, and what the command line lays over it."""
    expected = plan_alone(tmp_path / "alone", CONFIG)
    assert plan_module(tmp_path / "module", {}, given=None, config=CONFIG) == expected


@pytest.mark.parametrize(
    ("line", "place"),
    [('prefix: "deep/er"', "deep/er/results"), ('replace_prefix: {"results/": "out/"}', "out")],
    ids=["prefix", "replace_prefix"],
)
def test_prefix_moves_all_results_and_no_file_of_the_user(tmp_path: Path, line: str, place: str) -> None:
    """With a prefix every path of the results moves, in params too, and the user's files stay where they are."""
    expected = plan_alone(tmp_path / "alone", CONFIG)
    moved = plan_module(tmp_path / "module", CONFIG, line)
    assert [job.name for job in moved] == [job.name for job in expected]
    for job, other in zip(moved, expected, strict=True):
        for part in ("inputs", "outputs", "params", "log"):
            there = [text.replace("results/", f"{place}/") for text in getattr(other, part)]
            there = [f"{place!r}" if text == "'results'" else text for text in there]
            assert sorted(getattr(job, part)) == sorted(there), (job.name, part)
    assert any("mine/train.csv" in job.inputs for job in moved)


def test_values_of_the_command_line_reach_a_section(tmp_path: Path) -> None:
    """Numbers in brackets on the command line are numbers in the section that the module gets."""
    config = {"blindtune": CONFIG}
    arguments = ["blindtune={seeds: [8, 9], report: {margin: 0.5}}"]
    jobs = plan_module(tmp_path, config, given='config["blindtune"]', arguments=arguments)
    assert {job.wildcards[-1] for job in jobs if job.rule == "study"} == {"8", "9"}


def test_wrong_config_of_a_module_is_named(tmp_path: Path) -> None:
    """A key of the caller that blindtune does not know is refused, and the message says whose it is."""
    with pytest.raises(WorkflowError, match=r"the config of the module does not fit:\n  - samples: unknown key"):
        plan_module(tmp_path, {**CONFIG, "samples": ["a"]})


def test_key_of_another_section_is_no_error(tmp_path: Path) -> None:
    """A number that only blindtune would refuse stays the business of the caller."""
    folder = tmp_path / "module"
    snakefile = write_caller(folder, {"blindtune": CONFIG}, given='config["blindtune"]')
    with (folder / "config.yaml").open("a", encoding="utf-8") as stream:
        stream.write("mode: 0755\n")
    assert plan(folder, snakefile=snakefile)
