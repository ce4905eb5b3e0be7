from pathlib import Path

import blindtune.core.last_word  # noqa: F401  first: one sentence if anything fails
from blindtune.config.schema import read_dataset
from blindtune.core.job_claims import claim_output
from blindtune.core.job_log import run_job
from blindtune.core.quick_exit import leave
from blindtune.core.side_files import list_side_files
from blindtune.datasets.corpus.base import Corpus
from blindtune.datasets.corpus.old_extracts import remove_old_extracts
from blindtune.datasets.prepared import EVAL_DIGESTS, EVAL_ORIGINS, prepare

with (
    run_job(Path(snakemake.log[0]), snakemake.config) as job_log,
    claim_output(
        Path(snakemake.output.manifest).parent, f"the dataset {snakemake.wildcards.dataset}", snakemake.config, job_log
    ),
):
    source = read_dataset(snakemake.params.source)
    summary = prepare(
        snakemake.wildcards.dataset,
        source,
        # Files of the project, such as drawings, are no inputs.
        {name: Path(path) for name, path in snakemake.input.items()} or source.user_files(),
        Path(snakemake.output.manifest),
        Path(snakemake.output.seal),
        Path(snakemake.params.results),
    )
    manifest, sealed = Path(snakemake.output.manifest), Path(snakemake.output.seal).parent
    open_files = [manifest.with_name(name) for name in ("train", "dev", EVAL_DIGESTS, EVAL_ORIGINS)]
    list_side_files(
        Path(snakemake.params.side_files),
        Path(snakemake.params.root),
        [*open_files, sealed / "eval"],
        snakemake.params.times_made_again,
    )
    job_log.info(summary)
    if isinstance(source, Corpus) and (old := remove_old_extracts(map(Path, snakemake.input))):
        for batch in old:
            Path(snakemake.params.side_files).with_name(f"{batch}.json").unlink(missing_ok=True)
        job_log.info(f"removed the extracts of batches that were divided or have no files any more: {', '.join(old)}")

leave()
