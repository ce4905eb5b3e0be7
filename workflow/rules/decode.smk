"""Decode: the one look of each frozen model at eval. No other rule has a sealed file among its inputs.

In: the cards of a system, data/<dataset>/manifest.json and sealed/<dataset>/seal.json. Out: look.json, answers.npz and
surface.npz below decodes/<dataset>/<system>/<seed>, and a line in the ledger before any score is shown. The seeds of a
system take their looks in one job, since importing its libraries costs more than looking.
"""


rule decode:
    input:
        cards=[PATHS.card("{dataset}", "{system}", seed) for seed in CONFIG.seeds],
        manifest=PATHS.manifest("{dataset}"),
        seal=PATHS.seal("{dataset}"),
    output:
        looks=of_each_seed("look.json"),
        answers=of_each_seed("answers.npz"),
        surfaces=of_each_seed("surface.npz"),
    log:
        PATHS.log("decode", "{dataset}", "{system}"),
    conda:
        environment
    threads: CONFIG.workers
    params:
        allow_repeats=lambda wildcards: f"{wildcards.dataset}/{wildcards.system}" in CONFIG.allow_repeated_decode,
        points=CONFIG.report.surface,
        ledger=LEDGER,
        code=lambda wildcards: stages.decode_digest(system_of(wildcards), CONFIG.datasets[wildcards.dataset]),
    message:
        "one look at eval for each seed: {wildcards.system} on {wildcards.dataset}"
    script:
        "../scripts/decode.py"


rule sample_splits:
    input:
        cards=lambda wildcards: [
            PATHS.card(study.dataset, study.system, study.seed)
            for study in STUDIES
            if study.dataset == wildcards.dataset
        ],
        manifest=PATHS.manifest("{dataset}"),
        seal=PATHS.seal("{dataset}"),
    output:
        samples=PATHS.sample_splits("{dataset}"),
    log:
        PATHS.log("sample_splits", "{dataset}"),
    conda:
        "../../envs/data.yaml"
    params:
        points=CONFIG.report.points,
        ledger=LEDGER,
        code=stages.sample_splits_digest(),
    message:
        "drawing the three splits of {wildcards.dataset}, now that its models are frozen"
    script:
        "../scripts/sample_splits.py"
