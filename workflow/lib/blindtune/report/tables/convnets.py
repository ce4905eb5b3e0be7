"""Table 5: the architectures for images and signals, published and ours."""

from blindtune.report.architectures import build_rows
from blindtune.report.records import ReportRecords
from blindtune.report.table import ReportTable


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per network, for datasets whose samples have several axes."""
    datasets = [dataset for dataset in records.datasets if len(dataset.manifest.sample_shape) > 1]
    rows, columns, common = build_rows(datasets, 5)
    notes = [
        *common,
        "The published 'Conv2d (3, 16, 5), ReLU' is written 'Conv2d (16, 5x5), relu' here. 'Conv2d (1, 8)' of the "
        "tuned network is read as one filter of 8 x 8, as Keras writes it. The paper does not print the input size; "
        "128 x 128 is the round size that gives the printed 9216 values after the convolutions.",
        "For #12 the paper prints no layers, so our networks have no published row.",
    ]
    return ReportTable(
        "table5_architectures", "Table 5. The architectures for images and signals", rows, columns, notes
    )
