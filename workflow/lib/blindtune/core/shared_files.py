"""Refuse to plan where jobs would not find the files that are no outputs: records, arrays and the library."""

from collections.abc import Collection

from blindtune.core.errors import UserError

#: What all machines of a run must share, in Snakemake's words of ``--shared-fs-usage``.
NEEDED = ("input-output", "sources")


def check_shared_files(provider: str | None, shared: Collection[str]) -> None:
    """Refuse a run whose jobs would not share one file system.

    Args:
        provider: The default storage provider; None if there is none.
        shared: What is shared, in Snakemake's words of ``--shared-fs-usage``.

    Raises:
        UserError: A storage provider would carry outputs alone, or machines do not share what is needed.
    """
    missing = [usage for usage in NEEDED if usage not in shared]
    if provider is None and not missing:
        return
    cause = (
        f"--default-storage-provider {provider} carries nothing but the outputs that Snakemake knows"
        if provider is not None
        else f"the executor or --shared-fs-usage says that machines do not share: {', '.join(missing)}"
    )
    raise UserError(
        f"{cause}. Trials, weights, arrays, the ledger and blindtune's library are files next to these. Run where all "
        "machines see one POSIX file system, with its checkout and its results (for instance Slurm with NFS or "
        "Lustre), without a storage provider and with --shared-fs-usage as it is by default. Kubernetes and object "
        "stores such as S3 cannot be used."
    )
