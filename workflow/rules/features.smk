"""Features: train and dev as a user's own code sees them (`view: extracted`), computed once for all studies.

In: data/<dataset>/manifest.json, and the code and the weights that the config names. Their content is a part of the
name of the output, so that they are no inputs: a copy elsewhere, or a comment, computes nothing again.
Out: data/<dataset>/features/<features>.json, with train and dev in the folder of that name, which is not declared as an
output, so that Snakemake never deletes it. After a change of blindtune's code the job runs again, and finds them there
unless `VALUES_VERSION` of `blindtune.views.extractor_code` was raised. Features of eval are computed by decode.
"""


rule features:
    input:
        manifest=PATHS.manifest("{dataset}"),
    output:
        record=PATHS.features("{dataset}", "{features}"),
    log:
        PATHS.log("features", "{dataset}", "{features}"),
    conda:
        f"../../envs/{EXTRACTOR_ENVIRONMENT}.yaml"
    resources:
        mem_mb=memory("features"),
        runtime=minutes("features"),
        gpu=gpus("features"),
        slurm_partition=partition("features"),
    params:
        script_code=script_code("features.py"),
        view=extracted_view,
        code=stages.features_digest(),
        root=results_root,
        side_files=side_files("features-{wildcards.features}"),
        times_made_again=made_again("features-{wildcards.features}"),
    message:
        show_needs("computing features of {wildcards.dataset} by your own code, {params.view[build]}", gpus=True)
    script:
        "../scripts/features.py"
