"""The config, checked once, and the places of everything.

In: the merged config. Out: CONFIG (its pydantic model), PATHS (the tree of results), LEDGER.
"""

from pathlib import Path

from snakemake.logging import logger

from blindtune import stages
from blindtune.config import schema as configs
from blindtune.core.errors import UserError
from blindtune.core.input_digest import MAX_BATCH_BYTES, digest_inputs
from blindtune.core.job_claims import refuse_outputs_in_use
from blindtune.core.paths import ResultPaths
from blindtune.core.post_mortem_paths import post_mortem_file
from blindtune.core.yaml_files import check_duplicate_keys
from blindtune.decoding.head import describe_head
from blindtune.study.shard_plan import choose_shards

try:
    # Snakemake's loader lets the last of two equal keys count.
    check_duplicate_keys(workflow.configfiles if workflow.is_main_process else [])
    CONFIG = configs.read(dict(config), " + ".join(map(str, workflow.configfiles)))
except UserError as error:
    raise WorkflowError(str(error)) from None

for note in configs.list_notes(CONFIG) if workflow.is_main_process else []:
    logger.warning(note)

if workflow.is_main_process and (plan := configs.describe_plan(CONFIG)):
    logger.info(f"blindtune: {plan}")

PATHS = ResultPaths(f"results/{CONFIG.name}")
LEDGER = "results/ledger"
STUDIES = CONFIG.studies()


wildcard_constraints:
    dataset="[a-z][a-z0-9_]*",
    system="[a-z][a-z0-9_]*",
    seed="[0-9]+",
    download="[a-z][a-z0-9_]*",
    visibility="data|sealed",
    batch="(train|dev|eval)-[0-9]+",
    file="[a-z]+[.]csv",


def study_of(wildcards):
    return CONFIG.study(wildcards.dataset, wildcards.system, int(wildcards.seed))


def study_of_each_seed(wildcards):
    return [CONFIG.study(wildcards.dataset, wildcards.system, seed).model_dump(mode="json") for seed in CONFIG.seeds]


def datasets_with(seeds_in_one_job):
    # A pattern; that of no dataset matches nothing.
    return "|".join(one.dataset for one in CONFIG.compare if one.seeds_in_one_job == seeds_in_one_job) or "(?!)"


def system_of(wildcards):
    return CONFIG.settings(wildcards.dataset, wildcards.system)


def shown(path):
    # Relative if possible, so that a checkout that was moved has no new inputs.
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def environment(wildcards):
    return f"../../envs/{system_of(wildcards).environment}.yaml"


def dataset_files(wildcards):
    found = CONFIG.sources[wildcards.dataset].inputs(PATHS, wildcards.dataset)
    return {name: shown(path) for name, path in found.items()}


def results_root(wildcards):
    # The folder of the results of this config.
    return PATHS.root


def all_results(wildcards):
    # The folder of the results of all configs.
    return str(Path(PATHS.root).parent)


def study_code(wildcards):
    dataset = wildcards.dataset
    return stages.study_digest(system_of(wildcards), CONFIG.datasets[dataset], CONFIG.comparison(dataset).metric)


def shard_files(wildcards):
    # As many as the config has, or as a finished study had: another number of shards runs no study again.
    dataset, system = wildcards.dataset, wildcards.system
    wanted, files = CONFIG.count_shards(dataset, system), system_of(wildcards).files()
    found = []
    for seed in [wildcards.seed] if "seed" in wildcards.keys() else CONFIG.seeds:
        folder, study = Path(PATHS.study(dataset, system, seed)), CONFIG.study(dataset, system, int(seed))
        n_shards = choose_shards(folder, wanted, study, files, lambda: study_code(wildcards))
        found += [PATHS.shard(dataset, system, seed, number, n_shards) for number in range(1, n_shards + 1)]
    return found


def corpus_folder(wildcards):
    return shown(CONFIG.sources[wildcards.dataset].find_folder(PATHS, wildcards.dataset))


def train_extracts(wildcards):
    return [path for batch, path in dataset_files(wildcards).items() if batch.startswith("train-")]


def batch_files(wildcards):
    source, batch = CONFIG.sources[wildcards.dataset], wildcards.batch
    if source.is_simulated():
        return [PATHS.simulated(wildcards.dataset, batch)]
    folder = source.find_folder(PATHS, wildcards.dataset)
    return [shown(folder / file) for raw in source.batches()[batch] for file in (raw.file, *raw.companions)]


def of_each_seed(file):
    return [f"{PATHS.decode('{dataset}', '{system}', seed)}/{file}" for seed in CONFIG.seeds]


def dataset_config(wildcards):
    return CONFIG.datasets[wildcards.dataset].model_dump(mode="json")


def split_config(wildcards):
    return CONFIG.sources[wildcards.dataset].split_config()


def extraction_config(wildcards):
    return CONFIG.sources[wildcards.dataset].extraction_config()


def source_code(stage):
    # A function that returns the digest of the code of a stage of the preparation.
    return lambda wildcards: stages.source_digest(stage, CONFIG.datasets[wildcards.dataset])


def user_files_content(wildcards):
    # Snakemake does not see that a file was replaced by an older one, nor files with names that it would expand.
    source, is_corpus = CONFIG.sources[wildcards.dataset], wildcards.dataset in CONFIG.corpora()
    unwatched = source.unwatched_files()
    files = [] if is_corpus else [*source.user_files().values(), *unwatched.values()]
    return digest_inputs(files, names=unwatched)


def batch_content(wildcards):
    simulated = CONFIG.sources[wildcards.dataset].is_simulated()
    return digest_inputs([] if simulated else map(Path, batch_files(wildcards)), MAX_BATCH_BYTES)


def system_files_content(wildcards):
    return digest_inputs(system_of(wildcards).files().values())


def system_files(wildcards):
    return {name: shown(path) for name, path in system_of(wildcards).files().items()}


onstart:
    print(COPY, file=sys.stderr)
    try:
        refuse_outputs_in_use(
            [Path(file) for job in workflow.dag.needrun_jobs() for file in job.output],
            Path("results"),
            config,
            lambda line: print(f"blindtune: {line}", file=sys.stderr),
        )
    except UserError as error:
        raise WorkflowError(f"blindtune: {error}") from None


onsuccess:
    if Path(PATHS.page()).exists():  # --until may have ended the run before
        print(f"\nThe report is {PATHS.page()}; open it in a browser.\n", file=sys.stderr)
    print(describe_head(Path(LEDGER)), file=sys.stderr)


onerror:
    print("\nA job failed: the lines that begin with 'blindtune:' above say why and what to do.\n", file=sys.stderr)
