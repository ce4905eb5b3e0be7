"""The table that counts the decodes of each eval by system: best of several seeds, configs or repeats is visible."""

from blindtune.decoding.entries import split_study
from blindtune.report.decodes import EvalDecode
from blindtune.report.records import DatasetRecords, ReportRecords
from blindtune.report.table import ReportTable, Row, join_paths, number_column, text_column
from blindtune.report.tables.all_decodes import OTHER


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per system that was decoded, from whichever config."""
    rows = [row for dataset in records.datasets for row in _rows(dataset)]
    columns = [
        text_column("dataset", "Dataset"),
        text_column("data", "Data"),
        text_column("config", "Config"),
        text_column("name", "Dataset there"),
        text_column("system", "System"),
        text_column("report", "Report"),
        text_column("eval", "Eval", wide=True),
        number_column("models", "all", 0, "models decoded"),
        number_column("in_report", "in this report", 0, "models decoded"),
        number_column("seeds", "all", 0, "seeds"),
        number_column("most", "most of one seed", 0, "models decoded"),
        text_column("first", "First (UTC)"),
        text_column("before", "What came before", wide=True),
    ]
    notes = [
        "How many models of each system were decoded on the eval of a dataset. If more models were decoded than the "
        "report shows, the reported ones may be the best of several: of seeds that the config no longer has, of "
        "repeated models of one seed ('most of one seed' above 1), or of other configs and systems.",
        "What came before, for the systems of this report: decodes of models that the rows of the dataset do not show, "
        "and samples of eval drawn for a figure, before the last seed of the system was decoded. Samples that were "
        "drawn when the model was frozen already do not count. Whoever knew them may have chosen by them.",
        "A post-mortem showed what every trial of a search scores on eval. A model that was not decoded before is not "
        "blind.",
    ]
    return ReportTable("decode_counts", "Decodes of each eval by system", rows, columns, notes)


def _rows(dataset: DatasetRecords) -> list[Row]:
    groups: dict[tuple[str, str, str, str], list[EvalDecode]] = {}
    for one in dataset.uses.decodes:
        config, name, system, _ = split_study(one.recorded.study)
        groups.setdefault((config, name, system, one.eval), []).append(one)
    before = {system.name: str(system.precedents) for system in dataset.systems}
    paths = {system.name: system.paths[1::2] for system in dataset.systems}
    rows: list[Row] = []
    for (config, name, system, which), decodes in groups.items():
        seeds = [split_study(one.recorded.study)[3] for one in decodes]
        shown = sum(one.in_report for one in decodes)
        rows.append(
            {
                "dataset": dataset.name,
                "data": dataset.data,
                "config": config,
                "name": name,
                "system": system,
                "report": "yes" if shown else OTHER,
                "eval": which,
                "models": len(decodes),
                "in_report": shown,
                "seeds": len(set(seeds)),
                "most": max(seeds.count(seed) for seed in set(seeds)),
                "first": decodes[0].recorded.begun,
                "before": before[system] if shown else None,
                "records": join_paths(paths[system] if shown else []),
            }
        )
    return rows
