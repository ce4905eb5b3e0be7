"""The files for images hold what a run needs, and say the same in the language of each program."""

import re
import subprocess
from pathlib import Path

import pytest

from support.builders import ROOT

ENVS = ROOT / "envs"
DOCKERFILE = (ENVS / "Dockerfile").read_text(encoding="utf-8")
DEFINITION = (ENVS / "blindtune.def").read_text(encoding="utf-8")
IGNORED = (ENVS / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()

#: What a run reads of a checkout, and what the installation of the library reads.
NEEDED = {"Snakefile", "config.yaml", "envs", "profiles", "resources", "workflow"}
INSTALLED = {".python-version", "LICENSE", "README.md", "pyproject.toml", "requirements.lock"}


def list_sent() -> set[str]:
    """Return what is sent to a build by Docker."""
    assert "*" in IGNORED
    return {line.removeprefix("!") for line in IGNORED if line.startswith("!")}


def list_copied() -> dict[str, str]:
    """Return what Apptainer copies, with the places in the image."""
    section = DEFINITION.partition("%files\n")[2].partition("\n\n")[0]
    return dict(line.split() for line in section.splitlines())


def list_commands(text: str) -> list[str]:
    """Return the shell commands of a file, one a line, with one spelling of the build of PyTorch."""
    joined = text.replace("\\\n", " ").replace("{{ torch }}", "$TORCH")
    lines = [part.strip() for line in joined.splitlines() for part in line.removeprefix("RUN ").split("&&")]
    return [line for line in lines if re.match(r"(apt-get|rm|python3) ", line)]


def test_image_holds_what_a_run_needs() -> None:
    """Both images get the same files, all that a run and an installation read, and all exist."""
    assert list_sent() == set(list_copied()) == NEEDED | INSTALLED
    assert all(place == f"/opt/blindtune/{name}" for name, place in list_copied().items())
    assert [name for name in list_sent() if not (ROOT / name).exists()] == []


def test_images_are_built_by_the_same_commands() -> None:
    """Docker and Apptainer start from the same system, and run the same commands in the same order."""
    bases = {re.search(r"^F(?:ROM|rom:) (\S+)$", text, re.MULTILINE)[1] for text in (DOCKERFILE, DEFINITION)}  # type: ignore[index]
    assert len(bases) == 1
    assert list_commands(DOCKERFILE) == list_commands(DEFINITION)
    assert [command.split()[0] for command in list_commands(DOCKERFILE)] == [
        "apt-get",
        "apt-get",
        "rm",
        "python3",
        "rm",
    ]
    assert re.search(r"^ARG TORCH=cpu$", DOCKERFILE, re.MULTILINE)
    assert "%arguments\n    torch=cpu\n" in DEFINITION


@pytest.mark.parametrize("section", ["%post", "%environment", "%runscript"])
def test_sections_of_the_definition_are_shell(section: str) -> None:
    """The shell parses each section."""
    body = re.split(r"^%\w+$", DEFINITION.partition(f"\n{section}\n")[2], flags=re.MULTILINE)[0]
    assert body.strip()
    checked = subprocess.run(["sh", "-n"], input=body, text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_docs_name_the_files() -> None:
    """The commands of the docs name files that exist."""
    text = (ROOT / "docs" / "start" / "environments.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?<=\s)((?:envs|tests)/[\w/.-]+\.?\w+)", text))
    assert {"envs/Dockerfile", "envs/blindtune.def"} <= named
    assert [name for name in named if not (ROOT / Path(name)).exists()] == []
