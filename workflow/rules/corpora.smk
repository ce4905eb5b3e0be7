"""Corpora: raw files of a corpus, made (stand-ins) or the user's own, to the samples that can be drawn from them.

In: the raw files of one batch. Out: <visibility>/<dataset>/extracts/<batch>.json, the samples beside it; the half is sealed for
batches of eval. And data/<dataset>/examples.npz, a few samples of train for the report.
"""


rule simulate:
    output:
        PATHS.simulated("{dataset}", "{batch}"),
    log:
        PATHS.log("simulate", "{dataset}", "{batch}"),
    conda:
        "../../envs/data.yaml"
    params:
        source=split_config,
        code=source_code(stages.SIMULATE),
        folder=lambda wildcards: PATHS.corpus(wildcards.dataset),
    message:
        "making the stand-in corpus {wildcards.dataset}: {wildcards.batch}"
    script:
        "../scripts/simulate.py"


rule extract:
    input:
        batch_files,
    output:
        extract=f"{PATHS.root}/{{visibility}}/{{dataset}}/extracts/{{batch}}.json",
    log:
        PATHS.log("extract", "{visibility}", "{dataset}", "{batch}"),
    conda:
        "../../envs/data.yaml"
    params:
        source=extraction_config,
        code=source_code(stages.EXTRACT),
        folder=corpus_folder,
    message:
        "cutting samples from {wildcards.dataset}: {wildcards.batch}"
    script:
        "../scripts/extract.py"


rule examples:
    # Raw files are looked at again, but not among the inputs: where one changes, what its batch gave does too.
    input:
        manifest=PATHS.manifest("{dataset}"),
        extracts=train_extracts,
    output:
        PATHS.examples("{dataset}"),
    log:
        PATHS.log("examples", "{dataset}"),
    conda:
        "../../envs/data.yaml"
    params:
        source=source_content,
        code=source_code(stages.EXAMPLES),
        folder=corpus_folder,
    message:
        "taking examples from train of {wildcards.dataset}"
    script:
        "../scripts/examples.py"
