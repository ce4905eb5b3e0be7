"""Which shards a study has: another number of them does not run a finished study again."""

from pathlib import Path

import pytest

from blindtune.core.files import digest_json, read_json, write_json
from blindtune.datasets.prepared import Prepared
from blindtune.study.protocol import build_protocol
from blindtune.study.shard_plan import choose_shards
from support.builders import study
from support.curve_trainer import CurveTrainer
from support.extractors import write_extractor
from support.sharded_studies import SPACE, ShardLab, training_with, tuned

WANTED = 3


@pytest.fixture
def lab(data: Prepared, tmp_path: Path) -> ShardLab:
    """Return a lab whose study is finished, after two shards."""
    (tmp_path / "space.yaml").write_text(SPACE, encoding="utf-8")
    lab = ShardLab(data, tmp_path, tuned(tmp_path / "space.yaml"), budget={"trials": 4})
    with training_with(CurveTrainer()):
        lab.run(lab.run_shards(2))
    return lab


def choose(lab: ShardLab, code: str = "code", **changes: object) -> int:
    """Return the number of shards that are planned for the study."""
    one = study(lab.system, **({"budget": {"trials": 4}} | changes))
    return choose_shards(lab.folder, WANTED, one, lab.system.files(), lambda: code)


def test_choose_shards_keeps_those_of_a_finished_study(lab: ShardLab) -> None:
    """Neither another number of shards nor more weights to keep change that of a finished study."""
    assert choose(lab) == 2
    assert choose(lab, keep_best=3) == 2


def test_choose_shards_follows_the_config_if_records_are_missing(lab: ShardLab) -> None:
    """A larger budget, other code, another space or a lost card make trainings necessary."""
    assert choose(lab, code="other") == WANTED
    assert choose(lab, budget={"trials": 5}) == WANTED
    assert choose(lab, score_epoch="best") == WANTED
    space = Path(lab.system.space)
    space.write_text(SPACE.replace("12", "16"), encoding="utf-8")
    assert choose(lab) == WANTED
    space.write_text(SPACE, encoding="utf-8")
    assert choose(lab) == 2
    (lab.folder / "card.json").unlink()
    assert choose(lab) == WANTED


def test_choose_shards_compares_no_places_of_code(lab: ShardLab, tmp_path: Path) -> None:
    """A view whose code has moved is the same view; another one is not."""
    systems = [lab.system.model_copy(update={"view": write_extractor(tmp_path / name)}) for name in ("a", "b")]
    before, moved = (study(system, budget={"trials": 4}) for system in systems)
    write_json(lab.folder / "protocol.json", build_protocol(before, "", {}, lab.system.files(), "code"))
    files = lab.system.files()
    assert choose_shards(lab.folder, WANTED, moved, files, lambda: "code") == 2
    other = systems[1].model_copy(update={"view": write_extractor(tmp_path / "b", batch_size=7)})
    assert choose_shards(lab.folder, WANTED, study(other, budget={"trials": 4}), files, lambda: "code") == WANTED


def test_choose_shards_of_a_study_without_any(data: Prepared, lab: ShardLab) -> None:
    """A study that was finished without shards needs none."""
    lab.forget()
    with training_with(CurveTrainer()):
        lab.run()
    assert not (lab.folder / "shards.json").exists()
    assert choose(lab) == 0


def test_study_that_runs_without_its_shards_forgets_them(lab: ShardLab) -> None:
    """What is noted is what the last run had."""
    with training_with(CurveTrainer()):
        lab.run()
    assert choose(lab) == 0


@pytest.mark.parametrize("content", ["", "[]", '{"n_shards": "2"}', '{"n_shards": -2}', '{"n_shards": 100000}'])
def test_choose_shards_takes_no_damaged_note(lab: ShardLab, content: str) -> None:
    """A note that cannot be read counts as none."""
    (lab.folder / "shards.json").write_text(content, encoding="utf-8")
    assert choose(lab) == 0


def test_choose_shards_takes_no_damaged_card(lab: ShardLab) -> None:
    """A study whose card or protocol cannot be read is planned by the config."""
    content = read_json(lab.folder / "protocol.json")
    write_json(lab.folder / "protocol.json", content | {"code": digest_json("other")})
    assert choose(lab) == WANTED
    (lab.folder / "protocol.json").write_text("{", encoding="utf-8")
    assert choose(lab) == WANTED
