"""Prepare: from raw files or drawings to train and dev in the open folder, eval in the sealed folder.

In: the files that a dataset's source names. Out: data/<dataset>/manifest.json with train and dev next to it,
sealed/<dataset>/seal.json with eval next to it.
"""

from blindtune.datasets.downloads import get_download


# The nodes of a cluster often have no network.
localrules:
    fetch,


rule fetch:
    output:
        ensure(PATHS.download("{download}", "{file}"), non_empty=True),
    log:
        PATHS.log("fetch", "{download}", "{file}"),
    retries: 3
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=memory("fetch"),
        runtime=minutes("fetch"),
    params:
        script_code=script_code("fetch.py"),
        url=lambda wildcards: f"{get_download(wildcards.download).url}/{wildcards.file}",
        sha256=lambda wildcards: get_download(wildcards.download).sha256[wildcards.file] or "",
    message:
        show_needs("downloading {wildcards.file} of {wildcards.download}")
    script:
        "../scripts/fetch.py"


rule prepare:
    input:
        unpack(dataset_files),
    output:
        manifest=PATHS.manifest("{dataset}"),
        seal=PATHS.seal("{dataset}"),
    log:
        PATHS.log("prepare", "{dataset}"),
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=memory("prepare"),
        runtime=minutes("prepare"),
    params:
        script_code=script_code("prepare.py"),
        source=dataset_config,
        code=source_code(stages.PREPARE),
        files=user_files_content,
        results=all_results,
        root=results_root,
        side_files=side_files("manifest"),
        times_made_again=made_again("manifest"),
    message:
        show_needs("preparing {wildcards.dataset}: train and dev are open, eval is sealed")
    script:
        "../scripts/prepare.py"
