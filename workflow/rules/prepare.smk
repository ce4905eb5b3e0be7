"""Prepare: from raw files or drawings to train and dev in the open, eval under the seal.

In: the files that a dataset's source names. Out: data/<dataset>/manifest.json (train and dev beside it),
sealed/<dataset>/seal.json (eval beside it).
"""

from blindtune.core.code_digest import digest_of
from blindtune.datasets import downloads as registry


rule fetch:
    output:
        ensure(PATHS.download("{download}", "{file}"), non_empty=True),
    log:
        PATHS.log("fetch", "{download}", "{file}"),
    retries: 3
    conda:
        "../../envs/data.yaml"
    params:
        url=lambda wildcards: f"{registry.entry(wildcards.download).url}/{wildcards.file}",
        sha256=lambda wildcards: registry.entry(wildcards.download).sha256[wildcards.file] or "",
    message:
        "fetching {wildcards.file} of {wildcards.download}"
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
    params:
        source=source_content,
        code=lambda wildcards: digest_of("blindtune.datasets.prepared", source_module(wildcards)),
    message:
        "preparing {wildcards.dataset}: train and dev in the open, eval under the seal"
    script:
        "../scripts/prepare.py"
