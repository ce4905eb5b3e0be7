"""Table 4: the architectures for feature vectors, published and ours."""

from blindtune.report.architectures import build_rows
from blindtune.report.records import ReportRecords
from blindtune.report.table import ReportTable


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per network, for datasets whose samples are vectors."""
    datasets = [dataset for dataset in records.datasets if len(dataset.manifest.sample_shape) == 1]
    rows, columns, common = build_rows(datasets, 4)
    notes = [
        *common,
        "The published 'Linear (2, 64), ReLU' is written 'Dense (64), relu' here. The parameters of the published "
        "networks were counted from their layers, for two features. Their training settings are from section V.",
    ]
    return ReportTable("table4_architectures", "Table 4. The architectures", rows, columns, notes)
