"""Planning with a user's code in the process of the test, which has imported the library that the code needs."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from blindtune.config import network_plan


def ask_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let planning ask a user's code in this process, with the program of the child, until the test ends.

    A child imports PyTorch or Keras again, for seconds. Tests of the child itself, and of code that ends its process or
    changes it, must have one.
    """
    monkeypatch.setattr(network_plan, "_run_child", _answer)


def _answer(asked: str) -> dict[str, Any]:
    with TemporaryDirectory() as made:
        question, answer = Path(made, "question.json"), Path(made, "answer.json")
        question.write_text(asked, encoding="utf-8")
        network_plan.main(str(question), str(answer))
        found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
        return found
