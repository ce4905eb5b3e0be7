"""The commands around a study: ``blindtune export`` and ``blindtune rescore``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from blindtune.core.errors import UserError
from blindtune.exports import guide, optuna, stored, tensorboard
from blindtune.exports.folders import Write, export

FORMS: dict[str, Write] = {"guide": guide.write, "tensorboard": tensorboard.write, "optuna": optuna.write}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status, 1 where the user has something to put right."""
    given = _parser().parse_args(arguments)
    try:
        given.run(given)
    except UserError as error:
        print(f"blindtune: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="blindtune", description="Commands around the studies that snakemake runs.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_export(commands.add_parser("export", help="write the trials of studies for other programs"))
    _add_rescore(commands.add_parser("rescore", help="score the kept trials of a study on another set"))
    return parser


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.description = "Write the trials of studies for other programs; the studies themselves are only read."
    parser.add_argument(
        "--form",
        required=True,
        choices=FORMS,
        help="guide: a JSON file per trial; tensorboard: event files with curves and hyperparameters; "
        "optuna: optuna.db, a database that optuna-dashboard opens",
    )
    parser.add_argument(
        "--to",
        required=True,
        type=Path,
        metavar="FOLDER",
        help="a new folder, or an unchanged earlier export of the same studies, which is replaced",
    )
    parser.add_argument(
        "studies",
        nargs="+",
        type=Path,
        metavar="STUDY",
        help="results/<name>/studies/<dataset>/<system>/<seed>, or a folder above: every study below it",
    )
    parser.set_defaults(run=_export)


def _add_rescore(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Rebuild the kept trials of a study from records and weights alone, check that each gives its recorded dev "
        "error again, and score them on another prepared dataset. Sealed data are refused."
    )
    parser.add_argument("study", type=Path, metavar="STUDY", help="results/<name>/studies/<dataset>/<system>/<seed>")
    parser.add_argument(
        "--on", required=True, type=Path, metavar="MANIFEST", help="results/<name>/data/<dataset>/manifest.json"
    )
    parser.add_argument("--split", choices=("dev", "train"), default="dev", help="which split of it (default: dev)")
    parser.add_argument("--best", type=_positive, metavar="N", help="the best N on dev (default: all that are kept)")
    parser.add_argument(
        "--dev", type=Path, metavar="MANIFEST", help="the study's own data (default: data/<dataset> of its config)"
    )
    parser.set_defaults(run=_rescore)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def _export(given: argparse.Namespace) -> None:
    studies = stored.find(given.studies)
    export(given.form, studies, given.to, FORMS[given.form])
    trials = sum(len(study.trials) for study in studies)
    print(f"{given.to}: {trials} trials of {len(studies)} {'study' if len(studies) == 1 else 'studies'}")


def _rescore(given: argparse.Namespace) -> None:
    from blindtune.decoding.rescore import rescore

    rows, path = rescore(stored.read(given.study), given.on, given.split, given.best, given.dev)
    print("trial  dev error   error there   wrong of samples  rank then  now")
    for row in rows:
        count = f"{row.wrong} of {row.samples}"
        print(
            f"{row.trial:5d}  {row.dev_error:9.2%}  {row.error:12.2%}  {count:>17}  "
            f"{row.rank_then:9d}  {row.rank_now:3d}"
        )
    print(f"written to {path}")
