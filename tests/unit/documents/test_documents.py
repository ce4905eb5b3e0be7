"""The documents: their links lead somewhere, their code is valid, and what code says of them is there."""

import ast
import re
import shlex
import subprocess
import textwrap
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from blindtune.cli import _parser
from blindtune.config.defaults import DEFAULT
from blindtune.config.schema import Config
from blindtune.config.systems import ManualModel
from blindtune.datasets.table.config import TableConfig
from blindtune.search_space import Space
from support.builders import ROOT, merged
from support.documents import DOCS, Block, list_pages, read_anchors, read_blocks, read_links

PAGES = list_pages()
BLOCKS = [block for page in PAGES for block in read_blocks(page)]
#: The copy of the changelog that `make docs` writes.
COPY = "docs/project/changelog.md"
#: Sources and kinds that the pages on extending add.
ADDED = {"moons", "climber", "nearest-mean", "scaled", "worst_class"}
#: Programs that a reader installs, and parts of the shell.
PROGRAMS = {
    "cp",
    "git",
    "cd",
    ".",
    "make",
    "pip",
    "pipx",
    "uv",
    "export",
    "pytest",
    "python",
    "python3.11",
    "python3.13",
    "pre-commit",
    "bash",
    "docker",
    "apptainer",
}


def test_links_lead_to_files_and_anchors() -> None:
    """Each relative link and picture of a document exists, and so does the anchor that it names."""
    wrong = []
    for page in PAGES:
        for target in read_links(page):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            if not file.exists():
                wrong.append(f"{page.relative_to(ROOT)}: {target}")
            elif anchor and anchor not in read_anchors(file):
                wrong.append(f"{page.relative_to(ROOT)}: {target}: no such anchor")
    assert len(PAGES) > 40 and not wrong, "\n".join(wrong)


def test_pages_of_the_site_link_within_the_site() -> None:
    """A page of the site links to no file outside of it: the built page would lead nowhere."""
    outside = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        if DOCS in page.parents
        for target in read_links(page)
        if ":" not in target and not (page.parent / target.partition("#")[0]).resolve().is_relative_to(DOCS)
    ]
    assert not outside, outside


def test_site_shows_every_page_once() -> None:
    """The navigation of the site names each page, and no other."""

    def paths(entry: Any) -> list[str]:
        if isinstance(entry, str):
            return [entry]
        return [path for part in (entry.values() if isinstance(entry, dict) else entry) for path in paths(part)]

    shown = paths(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])
    pages = {page.relative_to(DOCS).as_posix() for page in PAGES if DOCS in page.parents}
    assert sorted(shown) == sorted(pages | {COPY.removeprefix("docs/")})


def test_documents_that_files_name_exist() -> None:
    """Each page below docs that code, messages, configs and documents name exists."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    texts = [name for name in listed if name.endswith((".py", ".md", ".yaml", ".yml", ".toml", ".in", ".smk", "file"))]
    named = []
    # The checks of the source have documents of their own.
    for path in [ROOT / name for name in texts if "tests/checks" not in name and (ROOT / name).is_file()]:
        found = re.findall(r"(?<![\w./])docs/[\w/]+\.\w+", path.read_text(encoding="utf-8"))
        named += [(str(path.relative_to(ROOT)), page) for page in found]
    assert len(named) > 20
    missing = [(name, found) for name, found in named if found != COPY and not (ROOT / found).exists()]
    assert not missing, missing


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.kind == "python"], ids=str)
def test_python_of_documents_compiles(block: Block) -> None:
    """A block of Python is valid: a module, or one line of a registry."""
    text = textwrap.dedent(block.text)
    ast.parse("{" + text + "}" if text.startswith('"') else text)


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.kind == "yaml"], ids=str)
def test_yaml_of_documents_fits_a_model(block: Block) -> None:
    """A block of YAML is a part of a config, a search space, or a manual model, with no unknown key or value."""
    content = yaml.safe_load(block.text)
    assert isinstance(content, dict), block
    if set(content) <= set(Config.model_fields):
        assert not wrong_parts(content), block
    elif set(content) <= set(TableConfig.model_fields):
        assert not wrong_parts({"datasets": {"it": {"source": "table", **content}}}), block
    elif "layers" in content and isinstance(content["layers"], list):
        partial = {"training": {"optimizer": "adam", "learning_rate": 0.1, "batch_size": 1, "epochs": 1}}
        ManualModel.model_validate({**partial, **content})
    else:
        Space.model_validate(content)


def wrong_parts(content: dict[str, Any]) -> list[str]:
    """Return what the model of the config refuses in a part of a config; what is missing in a part is not wrong."""
    whole = merged(DEFAULT, content)
    for system in whole["systems"].values():
        # The check of what a tuner searches would hide what is wrong with its keys.
        if system.get("kind") == "tuner" and not {"space", "model"} & set(system):
            system["space"] = "mlp"
    try:
        Config.model_validate(whole)
    except ValidationError as error:
        return [
            f"{problem['loc']}: {problem['msg']}"
            for problem in error.errors()
            if problem["type"] not in ("missing", "union_tag_not_found", "too_short", "value_error")
            and not ADDED & {str(problem.get("input")), *map(str, problem.get("ctx", {}).values())}
            and not (isinstance(problem.get("input"), dict) and ADDED & set(map(str, problem["input"].values())))
        ]
    return []


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.kind == "sh"], ids=str)
def test_commands_of_documents_exist(block: Block) -> None:
    """A block of shell commands names programs, targets of make, commands, options and files that exist."""
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words and re.match(r"[A-Z_]+=", words[0]):
            words.pop(0)
        if not words:
            continue
        program = words[0].rpartition("/")[2]
        assert program in PROGRAMS | {"snakemake", "blindtune", "optuna-dashboard", "tensorboard"}, line
        if program == "make":
            assert {word for word in words[1:] if "=" not in word} <= targets, line
        if program == "blindtune":
            _parser().parse_args(words[1:])
        if program in ("snakemake", "python"):
            files = [word for word in words[1:] if word.startswith(("workflow/", "tests/", "envs/"))]
            assert all((ROOT / word).exists() for word in files), line
        if program == "snakemake":
            assert set(re.findall(r"--[a-z-]+", line)) <= known_options(), line


def known_options() -> set[str]:
    """Return the long options of the installed Snakemake that documents may use."""
    from snakemake.cli import get_argument_parser

    parser = get_argument_parser()
    return {option for action in parser._actions for option in action.option_strings} | {"--config"}


def test_yaml_check_finds_wrong_keys_and_values() -> None:
    """The check of YAML blocks fails for an unknown key, an unknown word and a number out of bounds."""
    assert wrong_parts({"workers": 0})
    assert wrong_parts({"datasets": {"a": {"source": "table", "fle": "a.csv"}}})
    assert wrong_parts({"systems": {"a": {"kind": "tuner", "tuner": {"library": "optuna", "algorithm": "tep"}}}})
    assert not wrong_parts({"systems": {"knn": {"view": "features"}}})
