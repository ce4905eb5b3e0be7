"""Table 4: the architectures for data of features, published and ours."""

from blindtune.report.architectures import rows_of
from blindtune.report.records import Records
from blindtune.report.table import Table


def build(records: Records) -> Table:
    """One row per dataset and network; datasets whose samples are vectors."""
    datasets = [dataset for dataset in records.datasets if len(dataset.manifest.sample_shape) == 1]
    rows, columns, common = rows_of(datasets, 4)
    notes = [
        *common,
        "The published 'Linear (2, 64), ReLU' is written 'Dense (64), relu' here. The parameters of the published "
        "networks were counted from their layers, for two features; how they were trained stands in section V.",
    ]
    return Table("table4_architectures", "Table 4. The architectures", rows, columns, notes)
