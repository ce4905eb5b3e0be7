"""Report: tables, figures and one page, from records alone.

In: every manifest, card and look of the config, pictures and examples of its data.
Out: report/tables, report/figures, report/report.html.
"""

from blindtune.report import contents as names

RECORDS = {
    "manifests": [PATHS.manifest(comparison.dataset) for comparison in CONFIG.compare],
    "cards": [PATHS.card(study.dataset, study.system, study.seed) for study in STUDIES],
    "looks": [f"{PATHS.decode(study.dataset, study.system, study.seed)}/look.json" for study in STUDIES],
    "split_samples": [PATHS.sample_splits(dataset) for dataset in CONFIG.two_feature_datasets()],
    "examples": [PATHS.examples(dataset) for dataset in CONFIG.corpora()],
}
REPORT_PARAMS = {
    "root": lambda wildcards: PATHS.root,
    "compare": [[comparison.dataset, comparison.systems] for comparison in CONFIG.compare],
    "seeds": CONFIG.seeds,
}
FIGURES = names.figures([comparison.dataset for comparison in CONFIG.compare], CONFIG.corpora())
TABLES_CODE = names.modules(names.TABLES)
FIGURES_CODE = names.modules(names.FIGURES)


rule tables:
    input:
        **RECORDS,
    output:
        report(
            expand(f"{PATHS.tables()}/{{name}}.{{kind}}", name=names.TABLES, kind=["csv", "md", "tex"]),
            category="Tables",
            caption="../report/tables.rst",
        ),
    log:
        PATHS.log("tables"),
    conda:
        "../../envs/report.yaml"
    params:
        **REPORT_PARAMS,
        code=digest_of("blindtune.report.tables.write", *TABLES_CODE),
    message:
        "writing the tables"
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
    conda:
        "../../envs/report.yaml"
    params:
        **REPORT_PARAMS,
        code=digest_of("blindtune.report.figures.write", *FIGURES_CODE),
    message:
        "drawing the figures"
    script:
        "../scripts/figures.py"


rule page:
    input:
        rules.tables.output,
        rules.figures.output,
        f"{workflow.basedir}/workflow/report/page.html.j2",
        **RECORDS,
    output:
        report(PATHS.page(), category="Report", caption="../report/page.rst"),
    log:
        PATHS.log("page"),
    conda:
        "../../envs/report.yaml"
    params:
        **REPORT_PARAMS,
        tables=lambda wildcards: PATHS.tables(),
        figures=lambda wildcards: PATHS.figures(),
        code=digest_of("blindtune.report.page", *TABLES_CODE, *FIGURES_CODE),
    message:
        "writing the report"
    script:
        "../scripts/page.py"
