"""Decode: each frozen model is scored on eval, once. No other rule has a sealed file among its inputs.

In: the cards of a system, data/<dataset>/manifest.json and sealed/<dataset>/seal.json. Out: result.json,
predictions.npz and surface.npz below decodes/<dataset>/<system>/<seed>, and a line in the ledger before any score is
shown. One job decodes all seeds of a system, since importing its libraries takes longer than decoding.
"""


rule decode:
    input:
        cards=[PATHS.card("{dataset}", "{system}", seed) for seed in CONFIG.seeds],
        manifest=PATHS.manifest("{dataset}"),
        seal=PATHS.seal("{dataset}"),
    output:
        results=of_each_seed("result.json"),
        predictions=of_each_seed("predictions.npz"),
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
        root=results_root,
        code=lambda wildcards: stages.decode_digest(
            system_of(wildcards), CONFIG.datasets[wildcards.dataset], CONFIG.comparison(wildcards.dataset).metric
        ),
    message:
        "decoding the model of each seed once: {wildcards.system} on {wildcards.dataset}"
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
