"""Corpora: from the raw files of a corpus, simulated or the user's own, to the samples that can be drawn.

In: the raw files of one batch. Out: <visibility>/<dataset>/extracts/<batch>.json with the samples next to it, where
visibility is sealed for batches of eval; and data/<dataset>/examples.npz, a few samples of train for the report.
"""


rule simulate:
    output:
        PATHS.simulated("{dataset}", "{batch}"),
    log:
        PATHS.log("simulate", "{dataset}", "{batch}"),
    group:
        light("simulate", kind="corpus")
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=memory("simulate"),
        runtime=minutes("simulate"),
        grouped=1,
    params:
        script_code=script_code("simulate.py"),
        source=split_config,
        code=source_code(stages.SIMULATE),
        folder=lambda wildcards: PLACES.corpus(wildcards.dataset),
        root=results_root,
        side_files=side_files("simulated-{wildcards.batch}"),
        times_made_again=made_again("simulated-{wildcards.batch}"),
    message:
        show_needs("simulating the corpus {wildcards.dataset}: {wildcards.batch}")
    script:
        "../scripts/simulate.py"


rule extract:
    input:
        batch_files,
    output:
        extract=f"{PATHS.root}/{{visibility}}/{{dataset}}/extracts/{{batch}}.json",
    log:
        PATHS.log("extract", "{visibility}", "{dataset}", "{batch}"),
    group:
        light("extract", kind="corpus")
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=memory("extract"),
        runtime=minutes("extract"),
        grouped=1,
    params:
        script_code=script_code("extract.py"),
        source=extraction_config,
        code=source_code(stages.EXTRACT),
        files=batch_content,
        unusable=unusable_files,
        folder=corpus_folder,
        root=results_root,
        side_files=side_files("{wildcards.batch}"),
        times_made_again=made_again("{wildcards.batch}"),
    message:
        show_needs("cutting samples from {wildcards.dataset}: {wildcards.batch}")
    script:
        "../scripts/extract.py"


rule examples:
    # Raw files are read again but are not inputs: if one changes, the extract of its batch changes too.
    input:
        manifest=PATHS.manifest("{dataset}"),
        extracts=train_extracts,
    output:
        PATHS.examples("{dataset}"),
    log:
        PATHS.log("examples", "{dataset}"),
    group:
        "report"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=memory("examples"),
        runtime=minutes("examples"),
        grouped=1,
    params:
        script_code=script_code("examples.py"),
        source=dataset_config,
        code=source_code(stages.EXAMPLES),
        folder=corpus_folder,
    message:
        show_needs("choosing examples from train of {wildcards.dataset}")
    script:
        "../scripts/examples.py"
