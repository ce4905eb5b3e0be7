"""One ledger for a group: who wrote an entry, who may write, and what results and ledger say of each other."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from blindtune.cli import main
from blindtune.core import checkout
from blindtune.core.errors import RepeatedDecodeError, UserError
from blindtune.core.files import write_json
from blindtune.core.jsonl import append_line
from blindtune.core.paths import LEDGER_PLACE, ResultPaths
from blindtune.decoding import entries, ledger_folder
from blindtune.decoding.entries import ENTRY_VERSION, parse_entry
from blindtune.decoding.head import is_forgotten, list_missing
from blindtune.decoding.known_evals import EvalIdentity
from blindtune.decoding.known_heads import keep_head, read_heads, refuse_lost
from blindtune.decoding.ledger import Ledger
from blindtune.decoding.ledger_folder import prepare_ledger_folder
from support.decode_lab import DecodeLab
from support.workflow_runs import ROOT

Patch = pytest.MonkeyPatch

EVAL = EvalIdentity("e")


def begin(ledger: Ledger, study: str = "a/b/c/1", frozen: str = "f") -> None:
    """Record that a decode begins."""
    ledger.begin(study, frozen, EVAL, allow_repeats=False)


def mode_of(path: Path) -> int:
    """Return the bits of a file that say who may do what."""
    return stat.S_IMODE(path.stat().st_mode)


def test_entry_has_user_host_commit_and_version(tmp_path: Path, monkeypatch: Patch) -> None:
    """They are part of the line, so the chain protects them."""
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    monkeypatch.setattr("socket.gethostname", lambda: "node7")
    monkeypatch.setattr(entries, "find_commit", lambda: "0" * 40)
    begin(Ledger(tmp_path))
    file = tmp_path / "ledger.jsonl"
    entry = json.loads(file.read_text())
    writer = {name: entry[name] for name in ("user", "host", "commit", "schema_version")}
    assert writer == {"user": "ada", "host": "node7", "commit": "0" * 40, "schema_version": ENTRY_VERSION}
    file.write_text(file.read_text().replace("ada", "eve"))
    with pytest.raises(UserError, match="line 1: was changed after it was written"):
        Ledger(tmp_path).entries()


def test_entry_without_names_of_users_or_a_checkout_is_written(tmp_path: Path, monkeypatch: Patch) -> None:
    """A container may know no name of its user, and a library that was installed has no commit."""

    def fail() -> str:
        raise OSError("no name")

    monkeypatch.setattr("getpass.getuser", fail)
    monkeypatch.setattr(entries, "find_commit", lambda: None)
    begin(Ledger(tmp_path))
    [entry] = Ledger(tmp_path).entries()
    assert entry["user"] == str(os.getuid())
    assert "commit" not in entry


OLD = {"event": "begun", "time": "t", "eval_sha256": "e", "study": "a/b/c/1", "frozen_sha256": "f"}


def test_entries_of_before_are_read() -> None:
    """They say nothing of who wrote them."""
    assert parse_entry(json.dumps(OLD), "x") == OLD


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("user", 5, "user is not a name"),
        ("host", "a\nb", "host is not a name"),
        ("commit", "", "commit is not a name"),
        ("user", "x" * 256, "user is not a name"),
        ("schema_version", "2", "schema_version is not a whole number"),
        ("schema_version", True, "schema_version is not a whole number"),
        ("schema_version", ENTRY_VERSION + 1, "written by a later version of blindtune"),
    ],
)
def test_entry_with_a_wrong_writer_or_version_is_refused(field: str, value: object, fault: str) -> None:
    """A name is shown to people, and entries of a later version may mean something else."""
    with pytest.raises(UserError, match=fault):
        parse_entry(json.dumps(OLD | {field: value}), "x")


def test_refusal_names_who_decoded_before(tmp_path: Path, monkeypatch: Patch) -> None:
    """In a group it may have been another person, on another machine."""
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    monkeypatch.setattr("socket.gethostname", lambda: "node7")
    begin(Ledger(tmp_path))
    with pytest.raises(RepeatedDecodeError, match=r"was decoded on this eval data at \S+ by ada@node7; a second"):
        begin(Ledger(tmp_path), frozen="other")


def test_show_names_who_used_an_eval(tmp_path: Path, monkeypatch: Patch, capsys: pytest.CaptureFixture[str]) -> None:
    """Each row has user and machine."""
    monkeypatch.setattr("socket.gethostname", lambda: "node7")
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    ledger = Ledger(tmp_path)
    begin(ledger)
    monkeypatch.setattr("getpass.getuser", lambda: "bob")
    ledger.note_sample_splits("b", EVAL)
    assert main(["ledger", "show", str(tmp_path)]) == 0
    rows = capsys.readouterr().out.splitlines()[-2:]
    assert [row.split()[-1] for row in rows] == ["ada@node7", "bob@node7"]


def test_find_commit_is_that_of_the_checkout(tmp_path: Path, monkeypatch: Patch) -> None:
    """Outside of a checkout, or without git, it is unknown."""
    monkeypatch.setattr(checkout, "__file__", str(tmp_path / "checkout.py"))
    checkout.find_commit.cache_clear()
    try:
        assert checkout.find_commit() is None
        git = ["git", "-c", "user.name=x", "-c", "user.email=x@x", "-C", str(tmp_path)]
        subprocess.run([*git, "init", "-q"], check=True)
        (tmp_path / "a").write_text("1")
        subprocess.run([*git, "add", "a"], check=True)
        subprocess.run([*git, "commit", "-q", "-m", "x"], check=True)
        checkout.find_commit.cache_clear()
        commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
        assert checkout.find_commit() == commit
        (tmp_path / "a").write_text("2")
        checkout.find_commit.cache_clear()
        assert checkout.find_commit() == f"{commit}-dirty"
        monkeypatch.setenv("PATH", str(tmp_path))
        checkout.find_commit.cache_clear()
        assert checkout.find_commit() is None
    finally:
        checkout.find_commit.cache_clear()


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
@pytest.mark.parametrize("shared", [True, False])
def test_files_of_a_ledger_are_as_open_as_its_folder(tmp_path: Path, shared: bool, umask: int) -> None:
    """The group may read and write every file and folder if it may write to the folder of the ledger."""
    folder = tmp_path / "ledger"
    before = os.umask(umask)
    try:
        prepare_ledger_folder(folder, group_writable=shared)
        ledger = Ledger(folder)
        with ledger.decoding("a/b/c/1", print):
            claims = list((folder / "locks").iterdir())
            modes = {mode_of(path) & 0o060 for path in claims}
            (tmp_path / "result.json").touch()
            begin(ledger)
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    modes |= {mode_of(path) & 0o060 for path in folder.rglob("*")}
    assert modes == {0o060 if shared else 0o040 & ~umask}
    assert mode_of(tmp_path / "result.json") == 0o666 & ~umask
    if shared:
        assert all(mode_of(path) & 0o070 == 0o070 for path in folder.rglob("*") if path.is_dir())
        assert mode_of(folder) & 0o2770 == 0o2770


def test_ledger_of_before_is_opened_to_the_group(tmp_path: Path) -> None:
    """What was written before the key was set becomes writable too; a link is left alone."""
    folder = tmp_path / "ledger"
    before = os.umask(0o077)
    try:
        begin(Ledger(folder))
    finally:
        os.umask(before)
    (tmp_path / "own").touch(0o600)
    (folder / "link").symlink_to(tmp_path / "own")
    prepare_ledger_folder(folder, group_writable=True)
    assert all(mode_of(path) & 0o060 == 0o060 for path in folder.rglob("*") if not path.is_symlink())
    assert mode_of(tmp_path / "own") == 0o600


def test_file_that_the_group_may_write_and_not_read_is_mended(tmp_path: Path) -> None:
    """An earlier version left such under the umask 077; all other files keep their modes without the key."""
    folder = tmp_path / "ledger"
    (folder / "locks").mkdir(parents=True)
    modes = {
        "ledger.jsonl": (0o620, 0o660),
        "locks": (0o2720, 0o2770),
        "own": (0o600, 0o600),
        "head.json": (0o640,) * 2,
    }
    for name, (mode, _) in modes.items():
        (folder / name).touch()
        (folder / name).chmod(mode)
    prepare_ledger_folder(folder, group_writable=False)
    assert {name: mode_of(folder / name) for name in modes} == {name: mode for name, (_, mode) in modes.items()}


def test_ledger_that_is_a_link_is_opened_to_the_group(tmp_path: Path) -> None:
    """The ledger of a group may be linked from where the config names it."""
    shared, link = tmp_path / "shared", tmp_path / "ledger"
    shared.mkdir(mode=0o755)
    link.symlink_to(shared)
    prepare_ledger_folder(link, group_writable=True)
    assert mode_of(shared) & 0o2770 == 0o2770


def test_ledger_of_another_user_is_refused_while_planning(tmp_path: Path, monkeypatch: Patch) -> None:
    """The message says who can change it."""
    monkeypatch.setattr(ledger_folder.os, "access", lambda path, mode: False)
    with pytest.raises(UserError, match=r"this user may not write to the ledger\. Its owner lets the group"):
        prepare_ledger_folder(tmp_path, group_writable=False)

    def refuse(path: Path, mode: int) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "chmod", refuse)
    with pytest.raises(UserError, match="belongs to another user and is not readable and writable by the group"):
        prepare_ledger_folder(tmp_path, group_writable=True)


def test_ledger_where_no_folder_can_be_made_is_refused(tmp_path: Path) -> None:
    """A file in its place is named with the key to change."""
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot be used as the ledger .* Name another folder with 'ledger'"):
        prepare_ledger_folder(tmp_path / "file" / "ledger", group_writable=False)


def test_append_refuses_a_file_that_is_longer_than_what_was_read(tmp_path: Path, monkeypatch: Patch) -> None:
    """A machine may have read its own old copy of a file of a network file system: nothing is written after it."""
    ledger = Ledger(tmp_path)
    begin(ledger)
    old = (tmp_path / "ledger.jsonl").read_bytes()
    head = (tmp_path / "head.json").read_bytes()
    begin(ledger, "a/b/c/2")
    new = (tmp_path / "ledger.jsonl").read_bytes()
    monkeypatch.setattr("blindtune.decoding.ledger_file.read_regular_file", lambda path: old)
    monkeypatch.setattr(Ledger, "_read_head", lambda self: None)
    with pytest.raises(UserError, match=r"a decode is not recorded: the file has \d+ bytes where \d+ were read"):
        begin(ledger, "a/b/c/3")
    assert (tmp_path / "ledger.jsonl").read_bytes() == new
    assert (tmp_path / "head.json").read_bytes() != head


def test_append_line_takes_a_file_of_the_expected_size(tmp_path: Path) -> None:
    """The size before is what was read."""
    append_line(tmp_path / "log", b"one\n", "x", expected_size=0)
    append_line(tmp_path / "log", b"two\n", "x", expected_size=4)
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"


def test_results_without_their_ledger_are_noticed(lab: DecodeLab, tmp_path: Path) -> None:
    """An empty ledger, and one that lacks a decode, are named; the ledger of the results is not."""
    root = tmp_path / "results" / "mine"
    assert not is_forgotten(lab.ledger, root)
    assert list_missing(lab.ledger, root) == []
    result, _ = lab.decode(lab.freeze())
    file = root / "decodes" / "toy" / "near" / "1" / "result.json"
    write_json(file, result.model_dump(mode="json"))
    assert not is_forgotten(lab.ledger, root)
    assert list_missing(lab.ledger, root) == []
    other = tmp_path / "group" / "ledger"
    assert is_forgotten(other, root)
    begin(Ledger(other))
    assert not is_forgotten(other, root)
    [line] = list_missing(other, root)
    assert line.startswith(f"{other}: 1 of the 1 decodes in {root} are not in this ledger, the first is {file}")
    assert f"('blindtune ledger verify {other} --results {root.parent}' names each)" in line
    file.write_text("{")
    assert len(list_missing(lab.ledger, root)) == 1


def test_refusal_of_another_ledger_names_a_command_that_works(
    tmp_path: Path, monkeypatch: Patch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The results are not next to a ledger of a group, so that the command must name them."""
    monkeypatch.chdir(tmp_path)
    first = Ledger(tmp_path / "old")
    begin(first)
    root = Path("results/mine")
    keep_head(root / "decodes" / "toy" / "near" / "1", first.verify())
    group = Ledger(tmp_path / "group" / "ledger")
    begin(group)
    with pytest.raises(UserError) as refused:
        refuse_lost(read_heads(root), group.read(), group.path)
    command = str(refused.value).partition("'blindtune ")[2].partition("'")[0]
    assert command == f"ledger adopt {tmp_path}/group/ledger --results results"
    assert main(command.split()) == 0
    refuse_lost(read_heads(root), group.read(), group.path)


def test_paths_find_the_ledger_that_the_config_named(tmp_path: Path) -> None:
    """Commands that read no config, such as predict, use the ledger of the results and refuse to go without it."""
    paths = ResultPaths(str(tmp_path / "results" / "mine"))
    assert paths.ledger() == str(tmp_path / "results" / "ledger")
    (tmp_path / "group").mkdir()
    for ledger in (str(tmp_path / "group"), "group"):
        paths.keep_ledger_place(ledger)
        assert paths.ledger() == str(tmp_path / "group")
    (tmp_path / "group").rmdir()
    with pytest.raises(UserError, match=r"the ledger of these results is \S+group, which is not there"):
        paths.ledger()
    paths.keep_ledger_place("results/ledger")
    assert not (tmp_path / "results" / "mine" / LEDGER_PLACE).exists()
    assert paths.ledger() == str(tmp_path / "results" / "ledger")


def test_entries_of_machines_that_write_at_once_are_one_chain(tmp_path: Path) -> None:
    """Several processes append to one ledger; no entry is lost, doubled or torn."""
    program = (
        "import sys\nfrom pathlib import Path\nfrom blindtune.decoding.known_evals import EvalIdentity\n"
        "from blindtune.decoding.ledger import Ledger\n"
        "for number in range(15):\n"
        "    study = f'c/d/s{sys.argv[2]}/{number}'\n"
        "    Ledger(Path(sys.argv[1])).begin(study, 'f', EvalIdentity('e'), allow_repeats=False)"
    )
    variables = os.environ | {"PYTHONPATH": str(ROOT / "workflow" / "lib")}
    command = [sys.executable, "-c", program, str(tmp_path)]
    running = [subprocess.Popen([*command, str(number)], env=variables) for number in range(3)]
    assert [process.wait(120) for process in running] == [0, 0, 0]
    found = Ledger(tmp_path).entries()
    assert [entry["number"] for entry in found] == list(range(1, 46))
    assert len({entry["study"] for entry in found}) == 45
