"""The config, checked once, and the places of everything.

In: the config, of the command line or of a workflow that uses this one as a module. Out: CONFIG (its pydantic model);
PATHS (the tree of results as rules name it; Snakemake moves inputs, outputs and logs below the prefix of a module);
PLACES (the same where it is, for params, which Snakemake does not move); LEDGER.
"""

from pathlib import Path

from snakemake.logging import logger

from blindtune import stages
from blindtune.config import schema as configs
from blindtune.config.command_line import type_arguments
from blindtune.config.engine_check import check_engines
from blindtune.config.systems import EXTRACTOR_ENVIRONMENT
from blindtune.core.errors import UserError
from blindtune.core.input_digest import MAX_BATCH_BYTES, digest_inputs
from blindtune.core.job_claims import end_on_hangup, hold_run, refuse_outputs_in_use
from blindtune.core.paths import DEFAULT_LEDGER, ResultPaths
from blindtune.core.post_mortem_paths import post_mortem_file
from blindtune.core.shards import Shard, shard_file
from blindtune.core.shared_files import check_shared_files
from blindtune.core.side_files import (
    count_times_made_again,
    dataset_list,
    describe_lost_records,
    find_damage,
    name_files,
    study_list,
)
from blindtune.core.yaml_files import check_duplicate_keys, read_yaml
from blindtune.decoding.head import describe_head, is_forgotten, list_missing
from blindtune.decoding.ledger_folder import prepare_ledger_folder
from blindtune.study.shard_plan import choose_shards

# Whether another workflow gives its own config to this one.
IS_MODULE = ROOT / "config.yaml" not in workflow.configfiles[KNOWN_CONFIGFILES:]

try:
    try:
        # Snakemake's loader lets the last of two equal keys count.
        check_duplicate_keys(workflow.configfiles if workflow.is_main_process else [])
    except UserError as error:
        if not IS_MODULE:
            raise
        logger.warning(f"blindtune: {error}")  # the key may be for another part of the workflow
    given = workflow.config_settings
    config = type_arguments(config, given.config, given.config_args or [], is_section=IS_MODULE)
    if IS_MODULE:
        config = configs.merge(read_yaml(ROOT / "config.yaml"), config)
    if workflow.is_main_process:
        files = workflow.storage_settings
        check_shared_files(files.default_storage_provider, [str(usage) for usage in files.shared_fs_usage])
    sources = [ROOT / "config.yaml", "the config of the module"] if IS_MODULE else workflow.configfiles
    CONFIG = configs.read(config, " + ".join(map(str, sources)))
except UserError as error:
    raise WorkflowError(str(error)) from None

for note in configs.list_notes(CONFIG) if workflow.is_main_process else []:
    logger.warning(note)

if workflow.is_main_process and (plan := configs.describe_plan(CONFIG)):
    logger.info(f"blindtune: {plan}")

PATHS = ResultPaths(f"results/{CONFIG.name}")
PLACES = ResultPaths(str(Path(workflow.modifier.modify_path(f"{PATHS.root}/x")).parent))
LEDGER = PLACES.default_ledger() if CONFIG.ledger == DEFAULT_LEDGER else CONFIG.ledger
if workflow.is_main_process and is_forgotten(Path(LEDGER), Path(PLACES.root)):
    logger.warning(
        f"blindtune: {PLACES.root} has decodes, but the ledger {LEDGER} is empty: what was decoded before is not known "
        "to it. Restore it from a backup, name the right one with 'ledger', or say so when you report results."
    )
STUDIES = CONFIG.studies()

# With conda or in an image jobs have another Python, so that each job checks for itself.
if workflow.is_main_process and not workflow.deployment_settings.deployment_method:
    try:
        check_engines(STUDIES, lambda one: Path(PLACES.card(one.dataset, one.system, one.seed)))
    except UserError as error:
        raise WorkflowError(str(error)) from None


if CONFIG.container is not None:

    # There is no public image that could be the default: docs/start/environments.md says how to build one.
    container: CONFIG.container


wildcard_constraints:
    dataset="[a-z][a-z0-9_]*",
    system="[a-z][a-z0-9_]*",
    seed="[0-9]+",
    download="[a-z][a-z0-9_]*",
    visibility="data|sealed",
    batch="(train|dev|eval)-[0-9]+",
    file="[a-z]+[.]csv",
    features="[0-9a-f]{16}",


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


def as_input(path):
    # Snakemake moves results below the prefix of a module, and would move the user's files too.
    return str(path) if path.is_relative_to(PATHS.root) else local(shown(path))


def is_bundled(path):
    # Files of the project are no inputs: a clone elsewhere has other paths. Their content is among the params.
    return path.is_relative_to(ROOT / "resources")


def environment(wildcards):
    return f"../../envs/{system_of(wildcards).environment}.yaml"


def dataset_files(wildcards):
    found = CONFIG.sources[wildcards.dataset].inputs(PATHS, wildcards.dataset)
    return {} if all(map(is_bundled, found.values())) else {name: as_input(path) for name, path in found.items()}


def results_root(wildcards):
    # The folder of the results of this config.
    return PLACES.root


def all_results(wildcards):
    # The folder of the results of all configs.
    return str(Path(PLACES.root).parent)


def study_code(wildcards):
    dataset = wildcards.dataset
    return stages.study_digest(system_of(wildcards), CONFIG.datasets[dataset], CONFIG.comparison(dataset).metric)


def features_file(wildcards):
    # The features of train and dev that the user's code computes for a system; none for any other view.
    key = CONFIG.features.get((wildcards.dataset, wildcards.system))
    return [] if key is None else PATHS.features(wildcards.dataset, key)


def extracted_view(wildcards):
    names = (pair for pair, key in CONFIG.features.items() if (pair[0], key) == (wildcards.dataset, wildcards.features))
    return CONFIG.settings(*next(names)).view.model_dump(mode="json")


def shards_of(wildcards, seed):
    # As many as the config has, or as a finished study had: another number of shards runs no study again.
    dataset, system = wildcards.dataset, wildcards.system
    wanted, files = CONFIG.count_shards(dataset, system), system_of(wildcards).files()
    folder, study = Path(PLACES.study(dataset, system, seed)), CONFIG.study(dataset, system, int(seed))
    n_shards = choose_shards(folder, wanted, study, files, lambda: study_code(wildcards))
    return CONFIG.list_shards(dataset, system, n_shards)


def shard_files(wildcards):
    seeds = [wildcards.seed] if "seed" in wildcards.keys() else CONFIG.seeds
    return [
        shard_file(PATHS, wildcards.dataset, wildcards.system, seed, shard.name)
        for seed in seeds
        for shard in shards_of(wildcards, seed)
    ]


def earlier_shard_files(wildcards):
    # Of the rungs before that of a shard, whose scores decide what it trains.
    rung, seed = Shard.parse(wildcards.part).rung, wildcards.seed
    shards = shards_of(wildcards, seed) if rung is not None else []
    earlier = [shard for shard in shards if shard.rung is not None and shard.rung < rung]
    return [shard_file(PATHS, wildcards.dataset, wildcards.system, seed, shard.name) for shard in earlier]


def corpus_folder(wildcards):
    return shown(CONFIG.sources[wildcards.dataset].find_folder(PLACES, wildcards.dataset))


def train_extracts(wildcards):
    return [path for batch, path in dataset_files(wildcards).items() if batch.startswith("train-")]


def batch_files(wildcards):
    source, batch = CONFIG.sources[wildcards.dataset], wildcards.batch
    if source.is_simulated():
        return [PATHS.simulated(wildcards.dataset, batch)]
    folder = source.find_folder(PATHS, wildcards.dataset)
    return [as_input(folder / file) for file in source.list_inputs(batch)]


def unusable_files(wildcards):
    return CONFIG.sources[wildcards.dataset].list_unusable(wildcards.batch)


def of_each_seed(file):
    return [f"{PATHS.decode('{dataset}', '{system}', seed)}/{file}" for seed in CONFIG.seeds]


def dataset_config(wildcards):
    return CONFIG.datasets[wildcards.dataset].model_dump(mode="json")


def split_config(wildcards):
    return CONFIG.sources[wildcards.dataset].split_config()


def extraction_config(wildcards):
    return CONFIG.sources[wildcards.dataset].extraction_config(wildcards.batch)


def source_code(stage):
    # A function that returns the digest of the code of a stage of the preparation.
    return lambda wildcards: stages.source_digest(stage, CONFIG.datasets[wildcards.dataset])


def script_code(name):
    # Snakemake itself knows a script by its time, and in a new clone all scripts are newer than all results. So
    # profiles/default switches that trigger off, and the content is among the params.
    return stages.script_digest(ROOT / "workflow" / "scripts" / name)


WARNED_OF = set()


def made_again(record):
    # A function that returns how often what belongs to a record was lost, by which its job starts again.
    def count(wildcards):
        path = Path(dataset_list(PLACES, wildcards.dataset, record.format(wildcards=wildcards)))
        times, lost = count_times_made_again(path, Path(PLACES.root))
        if lost and workflow.is_main_process and path not in WARNED_OF:
            WARNED_OF.add(path)  # params are asked for again before each job
            logger.warning(f"blindtune: missing or cut: {name_files(lost)}. They will be made again.")
        return times

    return count


def side_files(record):
    return lambda wildcards: dataset_list(PLACES, wildcards.dataset, record.format(wildcards=wildcards))


def find_lost_records():
    # What to say of the records that are lost of finished studies, by their cards. They are never made again silently.
    found = {}
    for study in STUDIES if workflow.is_main_process else []:
        card = PLACES.card(study.dataset, study.system, study.seed)
        if Path(card).exists() and (lost := find_damage(study_list(card), Path(PLACES.root))):
            found[card] = describe_lost_records(card, name_files(lost))
    return found


LOST_RECORDS = find_lost_records()
for message in LOST_RECORDS.values():
    logger.warning(f"blindtune: {message}")


def user_files_content(wildcards):
    # Snakemake does not see that a file was replaced by an older one, nor files with names that it would expand.
    source, is_corpus = CONFIG.sources[wildcards.dataset], wildcards.dataset in CONFIG.corpora()
    unwatched = source.unwatched_files()
    files = [*([] if is_corpus else source.user_files().values()), *unwatched.values()]
    return digest_inputs(files, names=unwatched)


def batch_content(wildcards):
    simulated = CONFIG.sources[wildcards.dataset].is_simulated()
    return digest_inputs([] if simulated else map(Path, batch_files(wildcards)), MAX_BATCH_BYTES)


def system_files_content(wildcards):
    return digest_inputs(system_of(wildcards).files().values())


def system_files(wildcards):
    return {name: as_input(path) for name, path in system_of(wildcards).files().items() if not is_bundled(path)}


onstart:
    print(COPY, file=sys.stderr)
    forget_messages(workflow.dag.needrun_jobs())
    end_on_hangup()
    try:
        needed = {str(file) for job in workflow.dag.needrun_jobs() for file in (*job.input, *job.output)}
        for card, message in LOST_RECORDS.items():
            if card in needed:
                raise UserError(message)
        refuse_outputs_in_use(
            [Path(file) for job in workflow.dag.needrun_jobs() for file in job.output],
            Path(PLACES.root).parent,
            config,
            lambda line: print(f"blindtune: {line}", file=sys.stderr),
        )
        hold_run(Path(PLACES.root), f"the run {CONFIG.name}", config, lambda line: None)
        prepare_ledger_folder(Path(LEDGER), group_writable=CONFIG.ledger_group_writable)
        PLACES.keep_ledger_place(CONFIG.ledger)
        for line in list_missing(Path(LEDGER), Path(PLACES.root)):
            print(f"blindtune: {line}", file=sys.stderr)
    except UserError as error:
        raise WorkflowError(f"blindtune: {error}") from None


onsuccess:
    if Path(PLACES.page()).exists():  # --until may have ended the run before
        print(f"\nThe report is {PLACES.page()}; open it in a browser.\n", file=sys.stderr)
    print(describe_head(Path(LEDGER)), file=sys.stderr)


onerror:
    if workflow.non_local_exec:
        print(f"\n{explain_failures(workflow.dag.needrun_jobs())}\n", file=sys.stderr)
    else:
        print(
            "\nA job failed: the lines that begin with 'blindtune:' above say why and what to do.\n",
            file=sys.stderr,
        )
