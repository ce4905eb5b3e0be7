"""The registry of sources: its entries fit their configs, and another package can add one."""

from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter

from blindtune import stages
from blindtune.config.schema import Dataset, read_dataset
from blindtune.core import code_digest
from blindtune.core.code_digest import closure
from blindtune.core.errors import UserError
from blindtune.core.registry import Registry
from blindtune.core.validation import parse
from blindtune.datasets.base import DatasetConfig, Source
from blindtune.datasets.corpus.base import Corpus
from blindtune.datasets.eeg.config import EegConfig
from blindtune.datasets.registry import SOURCES, SourceEntry, create_corpus, create_source, source_modules
from support import source_plugin
from support.dag import edit
from support.eeg_files import eeg_config
from support.number_corpus import numbers_config
from support.plugins import run_with_plugin
from support.slide_files import slides_config

CORPORA = {"eeg": eeg_config, "slides": slides_config}
STAGES = (stages.EXTRACT, stages.PREPARE, stages.EXAMPLES)


def corpus(kind: str, simulated: bool) -> DatasetConfig:
    """Return the config of a corpus of one kind."""
    changes = {"folder": None, "stand_in": True, "simulate": {}} if simulated else {}
    return CORPORA[kind](**changes)


@pytest.mark.parametrize("name", SOURCES.own)
def test_entry_fits_its_config(name: str) -> None:
    """Each entry names the config whose literal names the entry, and the class of the source."""
    entry = SOURCES[name]
    config = next(
        each for each in SOURCES.config_types() if get_args(each.model_fields["source"].annotation) == (name,)
    )
    assert issubclass(config, DatasetConfig)
    assert f"{config.__module__}:{config.__name__}" == entry.config
    create = SOURCES.load(name)
    assert issubclass(create, Source)
    assert create.__name__.removesuffix("Source") == config.__name__.removesuffix("Config")
    assert issubclass(create, Corpus) == (entry.simulator is not None)
    assert config.__module__ in closure(entry.module)


def test_dataset_type_takes_every_entry() -> None:
    """The config union has one member for each entry."""
    schema = TypeAdapter[Any](Dataset).json_schema()
    assert set(schema["discriminator"]["mapping"]) == set(SOURCES.names())


@pytest.mark.parametrize("simulated", [True, False])
@pytest.mark.parametrize("kind", CORPORA)
def test_create_source_adds_a_simulator_only_if_simulated(kind: str, simulated: bool) -> None:
    """A corpus has a simulator if and only if it is simulated, and only then the simulator is in its code."""
    config = corpus(kind, simulated)
    source = create_corpus(config)
    assert source.config is config
    assert source.is_simulated() == (source.simulator is not None) == simulated
    modules = closure(*source_modules(config))
    assert any(".simulated" in module for module in modules) == simulated


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("kind", CORPORA)
def test_edit_of_a_simulator_voids_simulated_data_only(
    kind: str, stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edit of a simulator changes the digest of simulated data, and not that of the user's own."""
    own, simulated = corpus(kind, False), corpus(kind, True)
    before = stages.source_digest(stage, own), stages.source_digest(stage, simulated)
    part = {"eeg": "corruptions", "slides": "tissue"}[kind]
    edit(monkeypatch, tmp_path, f"blindtune.datasets.{kind}.simulated.{part}", "\nEDITED = True\n")
    after = stages.source_digest(stage, own), stages.source_digest(stage, simulated)
    assert after[0] == before[0]
    assert after[1] != before[1]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("kind", CORPORA)
def test_edit_of_a_source_voids_simulated_and_own_data(
    kind: str, stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edit of the code that reads a corpus changes the digests of simulated data and of the user's own."""
    both = corpus(kind, False), corpus(kind, True)
    before = [stages.source_digest(stage, config) for config in both]
    edit(monkeypatch, tmp_path, f"blindtune.datasets.{kind}.survey", "\nEDITED = True\n")
    assert all(stages.source_digest(stage, config) != old for config, old in zip(both, before, strict=True))


def test_create_corpus_refuses_another_source() -> None:
    """A source that is not a corpus is refused."""
    config = read_dataset({"source": "digits"}).config
    with pytest.raises(TypeError, match="digits is not a corpus"):
        create_corpus(config)


def test_source_without_simulator_cannot_be_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A corpus whose source has no simulator cannot be simulated."""
    entries = SOURCES.own | {"numbers": SourceEntry("support.number_corpus:NumbersCorpus")}
    monkeypatch.setattr("blindtune.datasets.registry.SOURCES", Registry("none", "source", SourceEntry, entries))
    assert isinstance(create_source(numbers_config(folder="x")), Corpus)
    with pytest.raises(UserError, match=r"simulate: the source numbers cannot be simulated\. Give a folder"):
        create_source(numbers_config())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("made", "simulate"),
        ("most_bad", "max_bad_fraction"),
        ("candidates", "max_per_file"),
        ("low", "l_freq"),
        ("high", "h_freq"),
        ("rate", "sfreq"),
        ("loud", "reject"),
        ("guard", "seizure_margin"),
        ("window", "frame_length"),
        ("step", "frame_hop"),
        ("quietest", "min_amplitude"),
        ("loudest", "max_amplitude"),
    ],
)
def test_old_key_is_answered_with_the_new_one(old: str, new: str) -> None:
    """The message about an old key of a source names the new one."""
    assert new in EegConfig.model_fields
    with pytest.raises(UserError, match=rf"{old}: unknown key: it is called '{new}' now"):
        eeg_config(**{old: 1})


@pytest.mark.parametrize(("old", "new"), [("isip", "csv_folder"), ("drawn", "drawing")])
def test_old_source_is_answered_with_the_new_one(old: str, new: str) -> None:
    """The message about an old name of a source gives the new one."""
    from blindtune.config.schema import Config

    with pytest.raises(UserError, match=f"it is called '{new}' now"):
        parse(Config, {"datasets": {"it": {"source": old}}}, "config.yaml")


_DRIVER = """\
import json, sys
from pathlib import Path
from blindtune.config.schema import read_dataset
from blindtune.datasets.prepared import open_prepared, prepare
from blindtune.stages import PREPARE, source_digest
folder = Path(sys.argv[1])
source = read_dataset({"source": "coins", "count": 6})
prepare("it", source, source.user_files(), folder / "data/manifest.json", folder / "sealed/seal.json")
x = open_prepared(folder / "data/manifest.json").dev.x.ravel().tolist()
print(json.dumps({"x": x, "digest": source_digest(PREPARE, source.config)}))
"""


def run_plugin(plugin: Path, folder: Path) -> dict[str, Any]:
    """Prepare a dataset of the plugin in a child process; return what it prints."""
    return run_with_plugin(plugin, "-c", _DRIVER, folder)


def test_another_package_adds_a_source(tmp_path: Path) -> None:
    """A source of an installed package is prepared by its name, and its code is digested at any depth."""
    package = source_plugin.install(tmp_path / "site")
    first = run_plugin(tmp_path / "site", tmp_path / "a")
    assert first["x"] == pytest.approx([0.1, 1.1] * 3)
    toss = package / "toss.py"
    toss.write_text(toss.read_text(encoding="utf-8") + "\nEDITED = True\n", encoding="utf-8")
    assert run_plugin(tmp_path / "site", tmp_path / "b")["digest"] != first["digest"]


def test_a_name_that_is_taken_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another package's source cannot take the name of one of blindtune's."""
    source_plugin.install(tmp_path, name="eeg")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry(SOURCES.group, SOURCES.noun, SourceEntry, SOURCES.own)
    with pytest.raises(UserError, match="there is already a source of this name"):
        registry.names()


def test_registry_is_not_digested() -> None:
    """A new source voids no data of the others."""
    assert not any(code_digest.is_digested(module) for module in ("blindtune.datasets.registry",))
