"""Shards: parts of the trials of one search, which several jobs train at the same time, on one node or on many.

In: what the study reads, and for a search that promotes trials the outcomes of all shards of the rungs before.
Out: shards/<dataset>/<system>/<seed>/<part>.jsonl, the outcomes of its trials, which the study takes in its own order;
a part is <shard>-of-<shards> or rung<rung>-<shard>-of-<shards>. What a shard has trained so far is in the folder of that
name, which is not declared as an output, so that Snakemake never deletes it: a shard that was killed goes on from there.
"""


rule shard:
    input:
        unpack(system_files),
        manifest=PATHS.manifest("{dataset}"),
        features=features_file,
        earlier=earlier_shard_files,
    output:
        outcomes=shard_file(PATHS, "{dataset}", "{system}", "{seed}", "{part}"),
    log:
        PATHS.log("shard", "{dataset}", "{system}", "{seed}", "{part}"),
    wildcard_constraints:
        part="(rung[0-9]+-)?[0-9]+-of-[0-9]+",
    conda:
        environment
    threads: CONFIG.workers
    resources:
        mem_mb=memory("study"),
        runtime=minutes("study"),
        gpu=gpus("study"),
        slurm_partition=partition("study"),
    params:
        script_code=script_code("shard.py"),
        study=lambda wildcards: study_of(wildcards).model_dump(mode="json"),
        files=system_files_content,
        code=study_code,
    message:
        show_needs(
            "{wildcards.system} on {wildcards.dataset}, seed {wildcards.seed}, shard {wildcards.part}", gpus=True
        )
    script:
        "../scripts/shard.py"
