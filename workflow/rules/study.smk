"""Study: one system on train and dev of one dataset with one seed, to a frozen model.

In: data/<dataset>/manifest.json and the system's own files. Out: studies/<dataset>/<system>/<seed>/card.json.
trials.jsonl and weights/ in the same folder are not declared as outputs, so that Snakemake never deletes a record.
One job runs one study; with `seeds_in_one_job: true` those of all seeds, which import their libraries once.
"""


rule study:
    input:
        unpack(system_files),
        manifest=PATHS.manifest("{dataset}"),
        features=features_file,
        shards=shard_files,
    output:
        cards=[PATHS.card("{dataset}", "{system}", "{seed}")],
    log:
        PATHS.log("study", "{dataset}", "{system}", "{seed}"),
    wildcard_constraints:
        dataset=datasets_with(seeds_in_one_job=False),
    group:
        light("study", "dataset", "system")
    conda:
        environment
    threads: cores("study")
    resources:
        mem_mb=memory("study"),
        runtime=minutes("study"),
        grouped=1,
        gpu=gpus("study"),
        slurm_partition=partition("study"),
        nodes=nodes,
        tasks=nodes,
        shown_nodes=shown_nodes,
        slurm_extra=slurm_options,
    params:
        script_code=script_code("study.py"),
        studies=lambda wildcards: [study_of(wildcards).model_dump(mode="json")],
        files=system_files_content,
        root=results_root,
        code=study_code,
        # Not among the study's own code: if it alone changes, the card is written again and its trials are kept.
        model_code=lambda wildcards: stages.model_digest(system_of(wildcards), CONFIG.datasets[wildcards.dataset]),
    message:
        show_needs("{wildcards.system} on {wildcards.dataset}, seed {wildcards.seed}", gpus=True, nodes=True)
    script:
        "../scripts/study.py"


use rule study as study_of_all_seeds with:
    output:
        cards=[PATHS.card("{dataset}", "{system}", seed) for seed in CONFIG.seeds],
    log:
        [PATHS.log("study", "{dataset}", "{system}", str(seed)) for seed in CONFIG.seeds],
    wildcard_constraints:
        dataset=datasets_with(seeds_in_one_job=True),
    params:
        studies=study_of_each_seed,
    message:
        show_needs("{wildcards.system} on {wildcards.dataset}, all seeds", gpus=True, nodes=True)
