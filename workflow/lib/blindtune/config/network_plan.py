"""What planning must know of a network in a user's code, found in a process of its own.

The code may need seconds to import its library, print, hang, or end the process. It runs in a child process without
accelerators, for at most `TIME_LIMIT` seconds. The answer is kept for the jobs that this process starts, in a private
folder that is removed when it ends.
"""

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from blindtune.config.training import Training
from blindtune.core.errors import UserError
from blindtune.core.files import digest_json
from blindtune.core.threads import ONE_THREAD
from blindtune.models.forms import ModelChoice, create_form
from blindtune.models.network import SampleFacts, is_file, read_model_code
from blindtune.models.network_form import library_versions_of
from blindtune.search_space import Space
from blindtune.training.registry import REPLACED_SETTINGS, check_own_settings, check_own_weights

#: Seconds after which the code of a user is ended while a study is planned.
TIME_LIMIT = 300

#: Names the folder of the answers, for the jobs.
VARIABLE = "BLINDTUNE_PLANNED_NETWORKS"


def read_code_space(choice: ModelChoice) -> Space:
    """Return the search space that code asks for.

    Args:
        choice: names the code and its trainer.

    Raises:
        ValueError: the code failed, or asks for what is not a search space.
        UserError: the code cannot be read, or takes too long.
    """
    return Space.model_validate(_ask(choice, {"check": False})["space"])


def check_code(
    choice: ModelChoice,
    space: Space | None,
    where: str,
    samples: int | None,
    training: Training,
    given: Collection[str] = (),
    has_weights: bool = False,
) -> Space:
    """Check that code builds networks, and that each dimension of the space changes them.

    Args:
        choice: names the code and its trainer.
        space: the search space; None: the one that the code asks for.
        where: the file of the space, for the message.
        samples: number of samples in train, if it is known.
        training: the settings of which a set may have no value.
        given: the names of those that the config gives; one that does nothing is refused.
        has_weights: whether the samples of train have weights.

    Returns:
        The search space.

    Raises:
        ValueError: the code failed, or a dimension or a setting of training changes nothing.
        UserError: the code cannot be read, or takes too long.
    """
    question = {
        "check": True,
        "space": None if space is None else space.model_dump(mode="json"),
        "where": where,
        "samples": samples,
        "training": training.model_dump(mode="json"),
    }
    answer = _ask(choice, question)
    check_own_settings(choice.name, answer["parts"], given)
    if has_weights:
        check_own_weights(choice.name, answer["parts"])
    return Space.model_validate(answer["space"])


def check_code_on_samples(choice: ModelChoice, space: Space | None, data: SampleFacts) -> None:
    """Check that code builds networks for the samples of a dataset, once they are known.

    Args:
        choice: names the code and its trainer.
        space: the search space; None: the one that the code asks for.
        data: the samples.

    Raises:
        ValueError: no network fits them, or none can be trained on their batches.
        UserError: the code cannot be read, or takes too long.
    """
    asked = {"check": False, "space": None if space is None else space.model_dump(mode="json"), "data": asdict(data)}
    _ask(choice, asked)


def _ask(choice: ModelChoice, question: Mapping[str, Any]) -> dict[str, Any]:
    code = read_model_code(choice.name).sha256 if is_file(choice.name) else library_versions_of(choice.name)
    asked = {
        "name": choice.name,
        "arguments": choice.arguments,
        "trainer": choice.trainer,
        **question,
    }
    answer = _answer(json.dumps(asked, sort_keys=True), json.dumps(code, sort_keys=True), str(Path.cwd()))
    if "error" in answer:
        raise ValueError(answer["error"])
    return answer


@lru_cache(maxsize=64)
def _answer(asked: str, code: str, folder: str) -> dict[str, Any]:
    """Return the answer of a child process, or the one of before."""
    path = _folder() / f"{digest_json([asked, code, folder])}.json"
    if path.is_file():
        known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return known
    answer = _run_child(asked)
    _keep(path, answer)
    question = json.loads(asked)
    if question["check"] and question["space"] is None and "space" in answer:
        # A job asks for the space alone.
        alone = {name: question[name] for name in ("name", "arguments", "trainer")} | {"check": False}
        _keep(_folder() / f"{digest_json([json.dumps(alone, sort_keys=True), code, folder])}.json", answer)
    return answer


def _keep(path: Path, answer: Mapping[str, Any]) -> None:
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(answer), encoding="utf-8")
    temporary.replace(path)


def _folder() -> Path:
    """Return the private folder of the answers of this process and of those that it starts."""
    given = os.environ.get(VARIABLE)
    if given and Path(given).is_dir() and Path(given).stat().st_uid == os.getuid():
        return Path(given)
    made = tempfile.mkdtemp(prefix="blindtune-plan-")
    os.environ[VARIABLE] = made
    atexit.register(_remove, made, os.getpid())
    return Path(made)


def _remove(folder: str, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def _run_child(asked: str) -> dict[str, Any]:
    name = json.loads(asked)["name"]
    import blindtune

    paths = [str(Path(blindtune.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | ONE_THREAD | {
        "PYTHONPATH": os.pathsep.join(paths),
        "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="blindtune-ask-") as made:
        question, answer = Path(made, "question.json"), Path(made, "answer.json")
        question.write_text(asked, encoding="utf-8")
        command = [sys.executable, "-P", "-m", "blindtune.config.network_plan", str(question), str(answer)]
        try:
            done = subprocess.run(  # noqa: S603  a module of this library
                command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIME_LIMIT, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise UserError(
                f"{name}: its code took more than {TIME_LIMIT} s while the study was planned. Planning calls it with "
                "many sets: let it build the network alone, or write the space as YAML (`space:`)."
            ) from error
        if not answer.is_file():
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            raise UserError(
                f"{name}: its code ended the process that planned with it (exit code {done.returncode}"
                f"{': ' + lines[-1][:300] if lines else ''})."
            )
        found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
        return found


def main(question_file: str, answer_file: str) -> None:
    """Answer a question about a user's code; the whole program of the child process.

    Args:
        question_file: JSON that `check_code` or `read_code_space` wrote.
        answer_file: where the answer goes.
    """
    from blindtune.config.space_check import check_model_dimensions
    from blindtune.models.network_form import NetworkForm
    from blindtune.training.base import describe_error
    from blindtune.training.registry import create_trainer

    question = json.loads(Path(question_file).read_text(encoding="utf-8"))
    choice = ModelChoice(
        "network",
        question["name"],
        arguments=question["arguments"],
        trainer=question["trainer"],
        defines_space=question.get("space") is None,
    )
    try:
        create_trainer(choice.trainer)  # chooses the backend of Keras
        form = create_form(choice)
        if not isinstance(form, NetworkForm):
            raise TypeError("the form of code is another")
        content = question.get("space")
        space = form.read_space() if content is None else Space.model_validate(content)
        answer: dict[str, Any] = {"space": space.model_dump(mode="json", exclude_none=True)}
        if "data" in question:
            data = question["data"]
            lists = {name: tuple(data[name]) for name in ("input_shape", "batch_sizes")}
            form.check_samples(space, SampleFacts(**{**data, **lists}))
        if question["check"]:
            training = Training.model_validate(question["training"])
            found = form.find_parts(space)
            answer["parts"] = sorted(frozenset().union(*found))
            # What the code does itself with every set changes nothing as a setting of training.
            always = frozenset.intersection(*found) if found else frozenset()
            replaced = [name for part in sorted(always) for name in REPLACED_SETTINGS[part]]
            where, samples = question["where"], question["samples"]
            check_model_dimensions(space, choice, choice.trainer, where, samples, training, replaced)
    except Exception as error:
        answer = {"error": describe_error(error)}
    Path(answer_file).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
