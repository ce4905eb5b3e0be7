"""Decode: the one look of each frozen model at eval. No other rule has a sealed file among its inputs.

In: a card, data/<dataset>/manifest.json and sealed/<dataset>/seal.json. Out: look.json, answers.npz and
surface.npz below decodes/<dataset>/<system>/<seed>, and a line in the ledger before any score is shown.
"""

DECODE_CODE = digest_of(alone=("blindtune.seal", "blindtune.ledger", "blindtune.baselines"))


rule decode:
    input:
        card=PATHS.card("{dataset}", "{system}", "{seed}"),
        manifest=PATHS.manifest("{dataset}"),
        seal=PATHS.seal("{dataset}"),
    output:
        look=f"{PATHS.decode('{dataset}', '{system}', '{seed}')}/look.json",
        answers=f"{PATHS.decode('{dataset}', '{system}', '{seed}')}/answers.npz",
        surface=f"{PATHS.decode('{dataset}', '{system}', '{seed}')}/surface.npz",
    log:
        PATHS.log("decode", "{dataset}", "{system}", "{seed}"),
    conda:
        environment
    params:
        repeats=lambda wildcards: f"{wildcards.dataset}/{wildcards.system}" in CONFIG.repeats,
        points=CONFIG.report.surface,
        ledger=LEDGER,
        code=DECODE_CODE,
    message:
        "one look at eval: {wildcards.system} on {wildcards.dataset}, seed {wildcards.seed}"
    script:
        "../scripts/decode.py"


rule picture:
    input:
        cards=lambda wildcards: [
            PATHS.card(study.dataset, study.system, study.seed)
            for study in STUDIES
            if study.dataset == wildcards.dataset
        ],
        manifest=PATHS.manifest("{dataset}"),
        seal=PATHS.seal("{dataset}"),
    output:
        picture=PATHS.picture("{dataset}"),
    log:
        PATHS.log("picture", "{dataset}"),
    conda:
        "../../envs/data.yaml"
    params:
        points=CONFIG.report.points,
        ledger=LEDGER,
        code=DECODE_CODE,
    message:
        "drawing the three splits of {wildcards.dataset}, now that its models are frozen"
    script:
        "../scripts/picture.py"
