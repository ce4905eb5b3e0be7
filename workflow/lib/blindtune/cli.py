"""The command line: ``blindtune run``, ``recover``, ``describe``, ``compare``, ``predict``, ``export``, and others."""

import argparse
import json
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blindtune.core.errors import UserError
from blindtune.core.failures import show_last_word
from blindtune.exports import guide, networks, optuna, tensorboard
from blindtune.exports.folders import WriteFunction, export
from blindtune.exports.stored_study import StoredStudy, find_studies, read_study

FORMS: dict[str, WriteFunction] = {
    "guide": guide.write,
    "tensorboard": tensorboard.write,
    "optuna": optuna.write,
    "torch": networks.write_torch,
    "keras": networks.write_keras,
    "onnx": networks.write_onnx,
}

#: Forms of the frozen network of a study, not of its trials.
_NETWORK_FORMS = ("torch", "keras", "onnx")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: the command line without the program name; None means ``sys.argv``.

    Returns:
        The exit status: 0, or 1 for an error, which is one sentence at the end. That of ``compare`` is that of diff:
        0 for equal runs, 1 for different ones, 2 for an error.
    """
    given = _parser().parse_args(arguments)
    trouble = 2 if given.run is _compare else 1
    try:
        status = given.run(given)
    except UserError as error:
        print(f"blindtune: {error}", file=sys.stderr)
        return trouble
    except Exception as error:
        show_last_word(type(error), error, error.__traceback__)
        return trouble
    return status or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="blindtune", description="Work with the recorded studies of a Snakemake run.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_describe(
        commands.add_parser("describe", help="look at a table or at pictures, and write a config that runs them")
    )
    _add_run(commands.add_parser("run", help="run a config: snakemake with the Snakefile found and --cores all"))
    _add_recover(
        commands.add_parser("recover", help="after a run was killed: show and end what still runs, remove its lock")
    )
    _add_compare(commands.add_parser("compare", help="show what differs between two runs: config, records, verdicts"))
    _add_export(commands.add_parser("export", help="export trials or frozen networks to a format of another program"))
    _add_predict(commands.add_parser("predict", help="answer new data with the frozen model of a study"))
    _add_rescore(commands.add_parser("rescore", help="score the saved models of a study on another prepared dataset"))
    _add_ledger(commands.add_parser("ledger", help="check or show the record of every decode of sealed data"))
    return parser


def _add_describe(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Show the columns, the classes and the missing values of a table (CSV, TSV, Parquet, Feather or Excel), or the "
        "classes and sizes of a folder of pictures, and what a config for them looks like. With --to, the config is "
        "written; it runs as it is."
    )
    parser.add_argument(
        "data",
        type=Path,
        nargs="+",
        metavar="DATA",
        help="a table; a table for each split (train.csv val.csv test.csv); or a folder of such tables, or of "
        "pictures: a folder for each class, or train, val and test with such folders in them",
    )
    parser.add_argument("--label", metavar="COLUMN", help="column of the class: its name, or its place (1: first)")
    parser.add_argument("--group", metavar="COLUMN", help="column of the patient or subject, never in two splits")
    parser.add_argument("--weight", metavar="COLUMN", help="column of the weights of the rows in training")
    parser.add_argument("--leave-out", nargs="+", metavar="COLUMN", help="columns that are no features")
    parser.add_argument("--separator", help="sign between the fields (default: found)")
    parser.add_argument("--decimal", choices=(".", ","), help="decimal sign (default: found)")
    parser.add_argument("--encoding", help="encoding of the text, such as latin-1 (default: utf-8)")
    parser.add_argument("--quote", choices=('"', "'"), help='sign around fields (default: ")')
    parser.add_argument("--comment", metavar="SIGN", help="beginning of lines that are comments anywhere")
    parser.add_argument("--header", choices=("true", "false"), help="whether the first row names the columns")
    parser.add_argument("--sheet", help="sheet of an Excel file")
    parser.add_argument("--format", choices=("csv", "parquet", "feather", "excel"), help="default: by the suffix")
    parser.add_argument(
        "--missing-values", nargs="+", metavar="TEXT", help="more texts that mean that a value is missing, such as -999"
    )
    parser.add_argument("--to", type=Path, metavar="CONFIG", help="write the config to this file, such as mine.yaml")
    parser.add_argument("--replace", action="store_true", help="replace the file of --to if it is there")
    parser.set_defaults(run=_describe)


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.usage = "blindtune run [-h] CONFIG [ARGUMENT OF SNAKEMAKE ...]"
    parser.description = (
        "Run a config in the current folder: snakemake -s <the clone's Snakefile> --configfile CONFIG --cores all. All "
        "arguments after CONFIG are Snakemake's own, such as -n (show what would run) or --cores 2."
    )
    parser.add_argument("config", type=Path, metavar="CONFIG", help="config file; the clone's config.yaml has all keys")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGUMENT", help="passed on to snakemake")
    parser.set_defaults(run=_run)


def _add_recover(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "After snakemake was killed, its machine was lost or its terminal was closed: show what still runs of it, on "
        "this machine and elsewhere, each with the command that ends it. If nothing runs, remove the lock that it left "
        "(snakemake --unlock); the same command goes on then. No record is changed."
    )
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        default=Path(),
        metavar="FOLDER",
        help="folder in which the run was started, which holds results (default: the current one)",
    )
    parser.add_argument(
        "--stop", action="store_true", help="end what still runs: processes here (SIGTERM) and jobs of the scheduler"
    )
    parser.set_defaults(run=_recover)


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Show what differs between two runs: keys of the config and what each affects, data, records of trials and "
        "frozen models, post-mortems, verdicts, libraries, code. Times and hosts are not compared. The exit status is "
        "0 if nothing but libraries or code differs, 1 if something does, 2 if a run cannot be read."
    )
    parser.add_argument("before", type=Path, metavar="BEFORE", help="folder of a run, results/<name>")
    parser.add_argument("after", type=Path, metavar="AFTER", help="folder of another run")
    parser.add_argument("--json", action="store_true", help="print all differences as JSON")
    parser.set_defaults(run=_compare)


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Export the trials, or the frozen networks, of studies to a format of another program. The studies are not "
        "changed."
    )
    parser.add_argument(
        "--form",
        required=True,
        choices=FORMS,
        help="guide: one JSON file per trial; tensorboard: event files with curves and hyperparameters; "
        "optuna: a database, optuna.db, for optuna-dashboard; torch, keras, onnx: the frozen network, as code with "
        "weights, as a .keras file, or as ONNX",
    )
    parser.add_argument(
        "--to",
        required=True,
        type=Path,
        metavar="FOLDER",
        help="output folder: new, empty, or an earlier export of the same studies, which is replaced if unchanged",
    )
    parser.add_argument(
        "studies",
        nargs="+",
        type=Path,
        metavar="STUDY",
        help="folder of a study, results/<name>/studies/<dataset>/<system>/<seed>, or any folder above it",
    )
    parser.set_defaults(run=_export)


def _add_predict(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Answer new data with the frozen model of a study: a class and the probability of each class for every row or "
        "picture. The data have the format of the study's dataset, with labels, which are not used, or without, and "
        "are preprocessed as train was. Sealed data are refused."
    )
    parser.add_argument(
        "study",
        type=Path,
        metavar="STUDY",
        help="folder of the study, results/<name>/studies/<dataset>/<system>/<seed>, or its card.json",
    )
    parser.add_argument("--on", required=True, type=Path, metavar="DATA", help="the new data: a table or a folder")
    parser.add_argument("--to", required=True, type=Path, metavar="CSV", help="file that the answers are written to")
    parser.add_argument("--force", action="store_true", help="replace the file of --to if it is there")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="MANIFEST",
        help="manifest of the study's own dataset (default: found from its config)",
    )
    parser.set_defaults(run=_predict)


def _add_rescore(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Rebuild the saved models of a study from records and weights, check that each reproduces its recorded dev "
        "error, and score them on another prepared dataset. Sealed data are refused."
    )
    parser.add_argument(
        "study",
        type=Path,
        metavar="STUDY",
        help="folder of the study, results/<name>/studies/<dataset>/<system>/<seed>",
    )
    parser.add_argument(
        "--on",
        required=True,
        type=Path,
        metavar="MANIFEST",
        help="manifest of the other dataset, results/<name>/data/<dataset>/manifest.json",
    )
    parser.add_argument("--split", choices=("dev", "train"), default="dev", help="split to score on (default: dev)")
    parser.add_argument(
        "--best",
        type=_positive,
        metavar="N",
        help="score the N models that are best on dev, by the metric of the study (default: all saved models)",
    )
    parser.add_argument(
        "--dev",
        type=Path,
        metavar="MANIFEST",
        help="manifest of the study's own dataset (default: found from its config)",
    )
    parser.set_defaults(run=_rescore)


def _add_ledger(parser: argparse.ArgumentParser) -> None:
    parser.description = "Work with the record of every decode of sealed data. Only 'adopt' changes it."
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    verify = commands.add_parser("verify", help="check the chain of the ledger, and all records against it")
    verify.description = (
        "Check that no entry was changed, removed, doubled or moved, that all predictions are those that were "
        "recorded, and that every result of a decode is in the ledger as it was recorded."
    )
    verify.add_argument(
        "--head",
        metavar="SHA256",
        help="head of the chain that a report or the end of a run has; it must still be an entry of the ledger",
    )
    verify.set_defaults(run=_verify_ledger)
    show = commands.add_parser("show", help="show which models were decoded on each eval, when, and when it was drawn")
    show.description = "Show for each eval which models were decoded on it, when, whether blind, and when it was drawn."
    show.set_defaults(run=_show_ledger)
    adopt = commands.add_parser("adopt", help="go on with a ledger whose end may have been lost, and say so for good")
    adopt.description = (
        "Take over the present end of a ledger that lacks its head.json or entries that results have seen, after every "
        "backup was looked for. This writes an entry that every later report shows."
    )
    adopt.set_defaults(run=_adopt_ledger)
    for command in (verify, adopt):
        command.add_argument(
            "--results",
            type=Path,
            metavar="FOLDER",
            help="folder that holds <name>/decodes; default: the folder around that of the ledger",
        )
    for command in (verify, show, adopt):
        command.add_argument(
            "ledger",
            nargs="?",
            type=Path,
            metavar="LEDGER",
            help="folder of the ledger, or a config file that names it (default: what config.yaml names, or "
            "results/ledger)",
        )


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _column(text: str) -> str | int:
    """Return a column as the config takes it: its place if it is a whole number, else its name."""
    return int(text) if text.lstrip("-").isdecimal() and text.isascii() else text


def _describe(given: argparse.Namespace) -> None:
    from blindtune.datasets.table.config import MISSING_VALUES
    from blindtune.describe.config import write_config
    from blindtune.describe.inputs import describe

    reading = ("separator", "decimal", "encoding", "quote", "comment", "sheet", "format")
    keys: dict[str, Any] = {key: getattr(given, key) for key in reading}
    keys["header"] = None if given.header is None else given.header == "true"
    keys["missing_values"] = given.missing_values and [*MISSING_VALUES, *given.missing_values]
    columns = {key: getattr(given, key) for key in ("label", "group", "weight")}
    keys |= {key: None if text is None else _column(text) for key, text in columns.items()}
    keys["leave_out"] = [_column(text) for text in given.leave_out] if given.leave_out else None
    found = describe(given.data, {key: value for key, value in keys.items() if value is not None})
    print("\n".join([*found.lines, ""]))
    if given.to is None:
        print(f"{found.config}\nAdd --to FILE.yaml to write this config.")
        return
    write_config(given.to, found.config, replace=given.replace)
    print(f"{given.to}: written. Run it: blindtune run {shlex.quote(str(given.to))}")


def _run(given: argparse.Namespace) -> None:
    from blindtune.start import start

    start(given.config, given.arguments)


def _recover(given: argparse.Namespace) -> None:
    from blindtune.recovery import recover

    recover(given.folder, stop=given.stop, notify=print)


def _compare(given: argparse.Namespace) -> int:
    from blindtune.compare.differences import compare_runs
    from blindtune.compare.text import describe, to_plain

    comparison = compare_runs(given.before, given.after)
    print(json.dumps(to_plain(comparison), indent=2, allow_nan=False) if given.json else describe(comparison))
    return 1 if comparison.differs else 0


def _export(given: argparse.Namespace) -> None:
    studies = find_studies(given.studies)
    for study in studies:
        _warn_of_doubled(study)
    export(given.form, studies, given.to, FORMS[given.form])
    count = f"{len(studies)} {'study' if len(studies) == 1 else 'studies'}"
    if given.form in _NETWORK_FORMS:
        print(f"{given.to}: the frozen network of {count}")
        return
    trials = sum(len(study.trials) for study in studies)
    print(f"{given.to}: {trials} trials of {count}")


def _warn_of_doubled(stored: StoredStudy) -> None:
    if stored.doubled:
        print(
            f"blindtune: {stored.folder / 'trials.jsonl'}: left out {stored.doubled} lines that repeat an earlier "
            "record. Two runs wrote at once; the next run of the study moves these lines to a file of their own.",
            file=sys.stderr,
        )


def _predict(given: argparse.Namespace) -> None:
    from blindtune.decoding.predict import predict_to_file

    found = predict_to_file(given.study, given.on, given.to, manifest=given.data, force=given.force, report=print)
    counts = Counter(found.classes[label] for label in found.answers.labels)
    shares = ", ".join(f"{name}: {count:,}" for name, count in counts.most_common(10))
    print(f"{given.to}: {len(found.answers.labels):,} answers ({shares})")


def _rescore(given: argparse.Namespace) -> None:
    from blindtune.decoding.rescore import rescore

    stored = read_study(given.study)
    _warn_of_doubled(stored)
    rows, path = rescore(stored, given.on, given.split, given.best, given.dev, print)
    print("trial  dev error   error there   wrong of samples  dev rank  rank there")
    for row in rows:
        count = f"{row.wrong} of {row.samples}"
        print(
            f"{row.trial:5d}  {row.dev_error:9.2%}  {row.error:12.2%}  {count:>17}  {row.dev_rank:8d}  {row.rank:10d}"
        )
    print(f"written to {path}")


def _verify_ledger(given: argparse.Namespace) -> None:
    from blindtune.decoding.audit import audit
    from blindtune.decoding.ledger_folder import find_ledger

    print("\n".join(audit(find_ledger(given.ledger), given.results, given.head)))


def _adopt_ledger(given: argparse.Namespace) -> None:
    from blindtune.decoding.audit import adopt
    from blindtune.decoding.ledger_folder import find_ledger

    print("\n".join(adopt(find_ledger(given.ledger), given.results)))


def _show_ledger(given: argparse.Namespace) -> None:
    from blindtune.decoding.audit import show
    from blindtune.decoding.ledger_folder import find_ledger

    print("\n".join(show(find_ledger(given.ledger))))
