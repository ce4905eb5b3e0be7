"""Decode: each frozen model is scored on eval, once. No rule of another file opens eval.

In: the cards of a system, data/<dataset>/manifest.json and sealed/<dataset>/seal.json. Out: result.json,
predictions.npz and surface.npz below decodes/<dataset>/<system>/<seed>, and a line in the ledger before any score is
shown. One job decodes all seeds of a system, since importing its libraries takes longer than decoding.

Post-mortem, only with `post_mortem: true`: when every model of the config was decoded, all trials of each search are
evaluated on the eval of its dataset. In: all cards and decodes. Out:
post_mortems/<dataset>/<system>/<seed>/post_mortem.json.
"""


rule decode:
    input:
        cards=[PATHS.card("{dataset}", "{system}", seed) for seed in CONFIG.seeds],
        manifest=PATHS.manifest("{dataset}"),
        features=features_file,
        seal=PATHS.seal("{dataset}"),
    output:
        results=of_each_seed("result.json"),
        predictions=of_each_seed("predictions.npz"),
        surfaces=of_each_seed("surface.npz"),
    log:
        PATHS.log("decode", "{dataset}", "{system}"),
    group:
        light("decode", "dataset")
    conda:
        environment
    threads: cores("decode")
    resources:
        mem_mb=memory("decode"),
        runtime=minutes("decode"),
        grouped=1,
        gpu=gpus("decode"),
        slurm_partition=partition("decode"),
    params:
        script_code=script_code("decode.py"),
        allow_repeats=lambda wildcards: f"{wildcards.dataset}/{wildcards.system}" in CONFIG.allow_repeated_decode,
        points=CONFIG.report.surface,
        ledger=LEDGER,
        root=results_root,
        code=lambda wildcards: stages.decode_digest(
            system_of(wildcards), CONFIG.datasets[wildcards.dataset], CONFIG.comparison(wildcards.dataset).metric
        ),
    message:
        show_needs("decoding the model of each seed once: {wildcards.system} on {wildcards.dataset}", gpus=True)
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
    group:
        "report"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=memory("sample_splits"),
        runtime=minutes("sample_splits"),
        grouped=1,
    params:
        script_code=script_code("sample_splits.py"),
        points=CONFIG.report.points,
        ledger=LEDGER,
        code=stages.sample_splits_digest(),
    message:
        show_needs("drawing the three splits of {wildcards.dataset}, now that its models are frozen")
    script:
        "../scripts/sample_splits.py"


rule post_mortem:
    # Every decode is an input, of other datasets too: they may share samples or raw data with this eval, and what is
    # decoded after a post-mortem is not blind. The script looks for those of the dataset in the ledger.
    input:
        cards=[PATHS.card(study.dataset, study.system, study.seed) for study in STUDIES],
        decodes=[f"{PATHS.decode(study.dataset, study.system, study.seed)}/result.json" for study in STUDIES],
        manifest=PATHS.manifest("{dataset}"),
        features=features_file,
        seal=PATHS.seal("{dataset}"),
    output:
        post_mortem_file(PATHS, "{dataset}", "{system}", "{seed}"),
    log:
        PATHS.log("post_mortem", "{dataset}", "{system}", "{seed}"),
    group:
        light("post_mortem", "dataset", "system")
    conda:
        environment
    threads: CONFIG.workers
    resources:
        mem_mb=memory("post_mortem"),
        runtime=minutes("post_mortem"),
        grouped=1,
        gpu=gpus("post_mortem"),
        slurm_partition=partition("post_mortem"),
    params:
        script_code=script_code("post_mortem.py"),
        ledger=LEDGER,
        root=results_root,
        systems=lambda wildcards: CONFIG.comparison(wildcards.dataset).systems,
        seeds=CONFIG.seeds,
        code=lambda wildcards: stages.post_mortem_digest(
            system_of(wildcards), CONFIG.datasets[wildcards.dataset], CONFIG.comparison(wildcards.dataset).metric
        ),
    message:
        show_needs(
            "post-mortem of {wildcards.system} on {wildcards.dataset}, seed {wildcards.seed}: all its trials on eval",
            gpus=True,
        )
    script:
        "../scripts/post_mortem.py"
