"""The table of ranks over time: how the tuners ranked on dev when a part of the budget was spent."""

import numpy as np

from blindtune.report.ranks import SHARES, RanksOverTime, rank_over_time
from blindtune.report.records import DatasetRecords, ReportRecords, SystemRecords
from blindtune.report.searches import describe_tuner
from blindtune.report.table import ReportTable, Row, join_paths, number_column, text_column
from blindtune.report.tables.tuner_ranks import label_data

#: The shares of the budget that are shown, in %.
SHOWN = (10, 25, 50, 100)
#: The rows of the means over several datasets have this in the column of the dataset.
ALL = "all datasets"


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per dataset and tuner, and one per tuner that was run on all of these datasets."""
    found = [(dataset, ranks) for dataset in records.datasets if (ranks := rank_over_time(dataset)) is not None]
    rows = [row for dataset, ranks in found for row in _rows_of_dataset(dataset, ranks)]
    rows += _rows_of_all(found)
    columns = [
        text_column("dataset", "Dataset"),
        text_column("data", "Data"),
        text_column("tuner", "Tuner"),
        number_column("of", "of"),
        *(number_column(f"rank_{share}", f"{share}%", 2, "mean rank on dev when so much was spent") for share in SHOWN),
        number_column("sd", "SD over seeds and datasets", 2),
    ]
    notes = [
        "Rank 1 is the lowest value on dev so far, among the tuners of the dataset; ties, and tuners without a first "
        "value, share their rank. The mean over the seeds, and in the rows of all datasets over the datasets too, "
        "among the tuners that were run on each of them. SD: of the ranks at 100%.",
        "The share is that of each tuner's own budget, by the limit that is nearest. Tuners that score on folds of "
        "train are left out. The table of tuner ranks has the ranks on eval, with tests.",
    ]
    return ReportTable("ranks_over_time", "Ranks of the tuners while the budget is spent", rows, columns, notes)


def _rows_of_dataset(dataset: DatasetRecords, ranks: RanksOverTime) -> list[Row]:
    return [
        _row(dataset.name, dataset.data, [system], ranks.ranks[:, place, :]) | {"of": len(ranks.tuners), "datasets": 1}
        for place, system in enumerate(ranks.tuners)
    ]


def _rows_of_all(known: list[tuple[DatasetRecords, RanksOverTime]]) -> list[Row]:
    """Return the rows of the tuners that are ranked on every dataset with several tuners; none for one dataset."""
    datasets = [dataset for dataset, _ in known]
    names = [{system.name for system in ranks.tuners} for _, ranks in known]
    common = frozenset(set.intersection(*names)) if len(datasets) > 1 else frozenset()
    if len(common) < 2:
        return []
    found = [ranks for dataset in datasets if (ranks := rank_over_time(dataset, common)) is not None]
    rows = []
    for name in [system.name for system in found[0].tuners]:
        # Each dataset lists its systems in the order of its comparison.
        places = [[system.name for system in ranks.tuners].index(name) for ranks in found]
        systems = [ranks.tuners[place] for ranks, place in zip(found, places, strict=True)]
        of_tuner = np.concatenate([ranks.ranks[:, place, :] for ranks, place in zip(found, places, strict=True)])
        row = _row(ALL, label_data(datasets), systems, of_tuner)
        rows.append(row | {"of": len(common), "datasets": len(found)})
    return rows


def _row(dataset: str, data: str, systems: list[SystemRecords], ranks: np.ndarray) -> Row:
    shown = {f"rank_{share}": float(ranks[:, _place(share)].mean()) for share in SHOWN}
    return {
        "dataset": dataset,
        "data": data,
        "tuner": systems[0].name,
        "what": describe_tuner(systems[0]),
        "of": None,
        "datasets": None,
        "seeds": len(systems[0].runs),
        **shown,
        "sd": float(ranks[:, -1].std(ddof=1)) if len(ranks) > 1 else None,
        "records": join_paths([path for system in systems for path in system.paths[::2]]),
    }


def _place(share: int) -> int:
    return int(np.argmin(np.abs(SHARES - share / 100)))
