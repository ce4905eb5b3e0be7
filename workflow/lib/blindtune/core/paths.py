"""Where everything of a config lies: the one place that knows the tree of results."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ResultPaths:
    """Paths below ``results/<config name>``; arguments may be wildcards in braces.

    Attributes:
        root: ``results/<config name>``.
    """

    root: str

    def manifest(self, dataset: str) -> str:
        """The open half of a prepared dataset."""
        return f"{self.root}/data/{dataset}/manifest.json"

    def seal(self, dataset: str) -> str:
        """The sealed half; none but decode reads beside it."""
        return f"{self.root}/sealed/{dataset}/seal.json"

    def download(self, name: str, file: str) -> str:
        """A fetched file."""
        return f"{self.root}/downloads/{name}/{file}"

    def corpus(self, dataset: str) -> str:
        """The folder of a stand-in corpus."""
        return f"{self.root}/corpora/{dataset}"

    def simulated(self, dataset: str, batch: str) -> str:
        """What was made of a stand-in corpus, a batch at a time."""
        return f"{self.root}/corpora/{dataset}.simulated/{batch}.json"

    def extract(self, dataset: str, batch: str) -> str:
        """What a batch of raw files gave; that of eval lies under the seal."""
        half = "sealed" if batch.startswith("eval-") else "data"
        return f"{self.root}/{half}/{dataset}/extracts/{batch}.json"

    def examples(self, dataset: str) -> str:
        """A few samples of train of a corpus, for their figure."""
        return f"{self.root}/data/{dataset}/examples.npz"

    def study(self, dataset: str, system: str, seed: int | str) -> str:
        """The folder of a study."""
        return f"{self.root}/studies/{dataset}/{system}/{seed}"

    def card(self, dataset: str, system: str, seed: int | str) -> str:
        """The card of a frozen model."""
        return f"{self.study(dataset, system, seed)}/card.json"

    def rescored(self, dataset: str, system: str, seed: int | str) -> str:
        """The folder of what `blindtune rescore` found."""
        return f"{self.root}/rescored/{dataset}/{system}/{seed}"

    def decode(self, dataset: str, system: str, seed: int | str) -> str:
        """The folder of a look."""
        return f"{self.root}/decodes/{dataset}/{system}/{seed}"

    def sample_splits(self, dataset: str) -> str:
        """Samples of the three splits, for their figure."""
        return f"{self.root}/decodes/{dataset}/sample_splits.npz"

    def tables(self) -> str:
        """The folder of the report's tables."""
        return f"{self.root}/report/tables"

    def figures(self) -> str:
        """The folder of the report's figures."""
        return f"{self.root}/report/figures"

    def page(self) -> str:
        """The report."""
        return f"{self.root}/report/report.html"

    def log(self, *parts: str) -> str:
        """The log of a job."""
        return f"{self.root}/logs/{'/'.join(parts)}.log"
