"""The hooks of pre-commit are the commands of ``make check``, with the tools of the lock."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
HOOKS = [hook for repo in CONFIG["repos"] for hook in repo["hooks"]]


def read_check_commands() -> list[str]:
    """Return the commands of the target check of the Makefile, as a program without a shell starts them."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    parts = re.search(r"^check:.*\n\t@\$\(MAKE\) .*=target (.*)\n", makefile, re.MULTILINE)
    assert parts
    lines = []
    # The site is built by no hook: it is the slowest check, and fails for warnings alone.
    for part in set(parts[1].split()) - {"docs"}:
        found = re.search(rf"^{part}:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
        assert found
        lines += [line.strip().replace("$(BIN)", ".venv/bin") for line in found[1].splitlines()]
    return [f"env {line}" if "=" in line.split()[0] else line for line in lines]


def test_hooks_are_the_commands_of_make_check() -> None:
    """Each command has a hook and each hook is such a command: neither knows a rule that the other does not."""
    commands = read_check_commands()
    assert len(commands) >= 8
    assert sorted(hook["entry"] for hook in HOOKS) == sorted(commands)


def test_hooks_use_the_tools_of_the_environment() -> None:
    """No hook installs a tool of its own, so its version is that of requirements.lock."""
    assert [repo["repo"] for repo in CONFIG["repos"]] == ["local"]
    assert {hook["language"] for hook in HOOKS} == {"system"}
    pinned = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    for hook in HOOKS:
        tool = re.search(r"\.venv/bin/(\w+)", hook["entry"])[1]
        assert tool == "python" or f"\n{tool}==" in pinned
