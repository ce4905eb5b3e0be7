"""Report: tables, figures and one HTML page, made from records alone.

In: every manifest, model card and decode result of the config; sample splits and examples of its datasets.
Out: report/tables, report/figures, report/report.html, report/records.sha256.
"""

from blindtune.report import contents
from blindtune.report.charts.registry import CHART_FILES

POST_MORTEMS = CONFIG.searches() if CONFIG.post_mortem else []
RECORDS = {
    "manifests": [PATHS.manifest(comparison.dataset) for comparison in CONFIG.compare],
    "cards": [PATHS.card(study.dataset, study.system, study.seed) for study in STUDIES],
    "decodes": [f"{PATHS.decode(study.dataset, study.system, study.seed)}/result.json" for study in STUDIES],
    "arrays": [
        f"{PATHS.decode(study.dataset, study.system, study.seed)}/{name}.npz"
        for study in STUDIES
        for name in ("predictions", "surface")
    ],
    "split_samples": [PATHS.sample_splits(dataset) for dataset in CONFIG.two_feature_datasets()],
    "examples": [PATHS.examples(dataset) for dataset in CONFIG.corpora()],
    "post_mortems": [
        post_mortem_file(PATHS, dataset, system, seed) for dataset, system in POST_MORTEMS for seed in CONFIG.seeds
    ],
}
REPORT_PARAMS = {
    "root": lambda wildcards: PLACES.root,
    "ledger": LEDGER,
    "compare": [[comparison.dataset, comparison.systems] for comparison in CONFIG.compare],
    "seeds": CONFIG.seeds,
    "post_mortems": [list(pair) for pair in POST_MORTEMS],
    "margin": CONFIG.report.margin,
}
FIGURES = contents.list_figures(
    [comparison.dataset for comparison in CONFIG.compare],
    CONFIG.corpora(),
    {dataset for dataset, _ in POST_MORTEMS},
)


rule tables:
    input:
        **RECORDS,
    output:
        report(
            expand(f"{PATHS.tables()}/{{name}}.{{kind}}", name=contents.TABLES, kind=["csv", "md", "tex"]),
            category="Tables",
            caption="../report/tables.rst",
        ),
    log:
        PATHS.log("tables"),
    group:
        "report"
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory("tables"),
        runtime=minutes("tables"),
        grouped=1,
    params:
        **REPORT_PARAMS,
        script_code=script_code("tables.py"),
        code=stages.tables_digest(),
    message:
        show_needs("writing the tables")
    script:
        "../scripts/tables.py"


rule figures:
    input:
        **RECORDS,
    output:
        report(
            expand(f"{PATHS.figures()}/{{name}}.{{kind}}", name=FIGURES, kind=["svg", "png"]),
            category="Figures",
            caption="../report/figures.rst",
        ),
    log:
        PATHS.log("figures"),
    group:
        "report"
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory("figures"),
        runtime=minutes("figures"),
        grouped=1,
    params:
        **REPORT_PARAMS,
        script_code=script_code("figures.py"),
        code=stages.figures_digest(),
    message:
        show_needs("drawing the figures")
    script:
        "../scripts/figures.py"


rule page:
    input:
        rules.tables.output,
        rules.figures.output,
        **RECORDS,
    output:
        report(PATHS.page(), category="Report", caption="../report/page.rst"),
        PATHS.record_list(),
    log:
        PATHS.log("page"),
    group:
        "report"
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory("page"),
        runtime=minutes("page"),
        grouped=1,
    params:
        **REPORT_PARAMS,
        script_code=script_code("page.py"),
        tables=lambda wildcards: PLACES.tables(),
        figures=lambda wildcards: PLACES.figures(),
        code=stages.page_digest(),
        # By content: as inputs they would be others in a checkout that was moved.
        templates=digest_inputs(ROOT / "workflow" / "report" / name for name in [*contents.TEMPLATES, *CHART_FILES]),
    message:
        show_needs("writing the report")
    script:
        "../scripts/page.py"
