"""Table 5: the architectures for pictures and signals, published and ours."""

from blindtune.report.architectures import build_rows
from blindtune.report.records import ReportRecords
from blindtune.report.table import ReportTable


def build(records: ReportRecords) -> ReportTable:
    """One row per dataset and network; datasets whose samples have axes of their own."""
    datasets = [dataset for dataset in records.datasets if len(dataset.manifest.sample_shape) > 1]
    rows, columns, common = build_rows(datasets, 5)
    notes = [
        *common,
        "The published 'Conv2d (3, 16, 5), ReLU' is written 'Conv2d (16, 5x5), relu' here. 'Conv2d (1, 8)' of the "
        "tuned network is taken for one filter of 8 x 8, as Keras writes it. The paper does not print the size of the "
        "inputs; 128 x 128 is the round one that gives the 9216 values it prints behind the convolutions.",
        "For #12 the paper prints no layers: its networks stand here without a published row.",
    ]
    return ReportTable(
        "table5_architectures", "Table 5. The architectures for pictures and signals", rows, columns, notes
    )
