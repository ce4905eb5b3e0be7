"""Define the folder layout of the results of a config; no other module builds these paths."""

from dataclasses import dataclass
from pathlib import Path
from unicodedata import category

from blindtune.core.errors import UserError
from blindtune.core.files import read_json_object, write_json

#: Names that no config may have: folders below ``results/`` that belong to all configs, and the folder that no command
#: but decode opens.
RESERVED_NAMES = frozenset(["ledger", "sealed"])

#: The folder of the ledger, from the folder in which a run is started, if the config names no other.
DEFAULT_LEDGER = "results/ledger"

#: The file in the folder of the results of a config that says where their ledger is, if that is not the usual place.
LEDGER_PLACE = "ledger_place.json"

#: What Snakemake expands in a path: wildcards and path variables.
_EXPANDED = frozenset("{}<>")


def is_expanded(path: Path) -> bool:
    """Return whether Snakemake would read something else into a path: a wildcard or a path variable."""
    return any(letter in _EXPANDED for letter in str(path))


def check_input_path(where: str, path: Path) -> None:
    """Refuse a path that cannot be the input of a job, because Snakemake would read something else into it.

    Args:
        where: Names the key or the folder, for the message.
        path: A file.

    Raises:
        UserError: It has a bracket that Snakemake expands, a control character, or one that is not UTF-8.
    """
    if is_expanded(path):
        raise UserError(
            f"{where}: {str(path)!r} has a brace, < or > in its name, which Snakemake cannot handle. Rename it."
        )
    check_letters(where, path)


def check_letters(where: str, path: Path) -> None:
    """Refuse a path with letters that spoil logs and tables.

    Args:
        where: Names the key or the folder, for the message.
        path: A file.

    Raises:
        UserError: It has a control character, or one that is not UTF-8.
    """
    if any(category(letter) in ("Cc", "Cs") for letter in str(path)):
        raise UserError(
            f"{where}: {str(path)!r} has a control character, or a letter that is not UTF-8, in its name. Rename it."
        )


@dataclass(frozen=True)
class ResultPaths:
    """Paths below ``results/<config name>``. Arguments may be wildcards in braces.

    Attributes:
        root: ``results/<config name>``.
    """

    root: str

    def default_ledger(self) -> str:
        """Return the folder of the ledger if the config names no other: next to the results."""
        return str(Path(self.root).parent / "ledger")

    def ledger(self) -> str:
        """Return the folder of the ledger of these results.

        It is next to them, shared by all configs in one folder, unless the config of their run has named another.

        Raises:
            UserError: the file that says where it is cannot be read, or there is no such folder.
        """
        root = Path(self.root)
        if not (root / LEDGER_PLACE).exists():
            return self.default_ledger()
        place = root.absolute().parents[1] / read_json_object(root / LEDGER_PLACE, ledger=str)["ledger"]
        if not place.is_dir():
            raise UserError(
                f"{root / LEDGER_PLACE}: the ledger of these results is {place}, which is not there. Mount or restore "
                "it: it knows which samples are sealed."
            )
        return str(place)

    def keep_ledger_place(self, ledger: str) -> None:
        """Write down where the ledger of these results is, for the commands that read no config.

        Args:
            ledger: its folder, as the config names it.

        Raises:
            UserError: it cannot be written.
        """
        place = Path(self.root) / LEDGER_PLACE
        if ledger != DEFAULT_LEDGER:
            write_json(place, {"ledger": ledger})
        elif place.exists():
            place.unlink()

    def manifest(self, dataset: str) -> str:
        """Return the manifest of a prepared dataset, with train and dev in its folder."""
        return f"{self.root}/data/{dataset}/manifest.json"

    def seal(self, dataset: str) -> str:
        """Return the seal of a prepared dataset, with eval in its folder; only decode reads that folder."""
        return f"{self.root}/sealed/{dataset}/seal.json"

    def download(self, name: str, file: str) -> str:
        """Return a fetched file."""
        return f"{self.root}/downloads/{name}/{file}"

    def corpus(self, dataset: str) -> str:
        """Return the folder of a simulated corpus."""
        return f"{self.root}/corpora/{dataset}"

    def simulated(self, dataset: str, batch: str) -> str:
        """Return the record of one simulated batch of a corpus."""
        return f"{self.root}/corpora/{dataset}.simulated/{batch}.json"

    def extract(self, dataset: str, batch: str) -> str:
        """Return the record of one extracted batch of raw files; batches of eval are in the sealed folder."""
        visibility = "sealed" if batch.startswith("eval-") else "data"
        return f"{self.root}/{visibility}/{dataset}/extracts/{batch}.json"

    def examples(self, dataset: str) -> str:
        """Return the example samples from train of a corpus, for their figure."""
        return f"{self.root}/data/{dataset}/examples.npz"

    def features(self, dataset: str, key: str) -> str:
        """Return the record of the features of train and dev that a user's code computes; they are in its folder.

        Args:
            dataset: of the features.
            key: what `blindtune.views.extractor_code.plan_key` returns.
        """
        return f"{self.root}/data/{dataset}/features/{key}.json"

    def study(self, dataset: str, system: str, seed: int | str) -> str:
        """Return the folder of a study."""
        return f"{self.root}/studies/{dataset}/{system}/{seed}"

    def card(self, dataset: str, system: str, seed: int | str) -> str:
        """Return the card of a frozen model."""
        return f"{self.study(dataset, system, seed)}/card.json"

    def shard(self, dataset: str, system: str, seed: int | str, shard: int | str, n_shards: int | str) -> str:
        """Return the outcomes of one shard of a study's search; its own records are in the folder of that name.

        Args:
            dataset: of the study.
            system: of the study.
            seed: of the study.
            shard: number of the shard, from 1.
            n_shards: number of shards.
        """
        return f"{self.root}/shards/{dataset}/{system}/{seed}/{shard}-of-{n_shards}.jsonl"

    def rescored(self, dataset: str, system: str, seed: int | str) -> str:
        """Return the folder of the results of `blindtune rescore`."""
        return f"{self.root}/rescored/{dataset}/{system}/{seed}"

    def decode(self, dataset: str, system: str, seed: int | str) -> str:
        """Return the folder of a decode."""
        return f"{self.root}/decodes/{dataset}/{system}/{seed}"

    def sample_splits(self, dataset: str) -> str:
        """Return the samples of the three splits for their figure."""
        return f"{self.root}/decodes/{dataset}/sample_splits.npz"

    def tables(self) -> str:
        """Return the folder of the report's tables."""
        return f"{self.root}/report/tables"

    def figures(self) -> str:
        """Return the folder of the report's figures."""
        return f"{self.root}/report/figures"

    def page(self) -> str:
        """Return the HTML page of the report."""
        return f"{self.root}/report/report.html"

    def record_list(self) -> str:
        """Return the file next to the page with the digest of every record."""
        return f"{self.root}/report/records.sha256"

    def log(self, *parts: str) -> str:
        """Return the log of a job."""
        return f"{self.root}/logs/{'/'.join(parts)}.log"


def study_folder_of(shard: Path) -> Path:
    """Return the folder of the study of a shard.

    Args:
        shard: What `ResultPaths.shard` returns.
    """
    dataset, system, seed = shard.parts[-4:-1]
    return Path(ResultPaths(str(shard.parents[4])).study(dataset, system, seed))


def find_results(path: Path, place: str) -> ResultPaths | None:
    """Return the results of a config that a file or folder is in, or None if it is elsewhere, such as a copy.

    Args:
        path: The file or folder.
        place: Where it is below the results if it is there, for instance what `ResultPaths.study` returns for the
            root ``""``.
    """
    parts = Path(place.lstrip("/")).parts
    found = path.resolve()
    return ResultPaths(str(Path(*found.parts[: -len(parts)]))) if found.parts[-len(parts) :] == parts else None
