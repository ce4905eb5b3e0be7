"""What each job asks for: memory, minutes and GPUs. `--set-resources` and the config key `resources` count before it.

In: CONFIG. Out: functions for the `resources` of the other rules; `blindtune.job_resources.estimates` has the formulas.

Light jobs have a `group`, so that one job of a cluster can run many; a profile says how many (`group-components`).
Each takes one of the resource `grouped`, by which a profile limits how many of a group run at a time, and so what the
group asks for together. Without a cluster both do nothing.
"""

from snakemake.resources import Resources

from blindtune.job_resources.estimates import Estimator, check_requests

ESTIMATOR = Estimator(CONFIG)


resource_scopes:
    grouped="local",


try:
    check_requests(CONFIG, " + ".join(map(str, workflow.configfiles)))
except UserError as error:
    raise WorkflowError(str(error)) from None


def share_settings(rule, *others):
    # What --set-resources and --set-threads give for one rule counts for others that do the same work.
    first, *names = map(workflow.modifier.modify_rulename, (rule, *others))
    settings = workflow.resource_settings
    for given in (settings._parsed_overwrite_threads, settings._parsed_overwrite_resources):
        if first in given:
            given.update({name: given[first] for name in names if name not in given})


share_settings("study", "study_of_all_seeds", "shard")


def cores(rule):
    return lambda wildcards: ESTIMATOR.count_cores(rule, dict(wildcards.items()))


def memory(rule):
    return lambda wildcards, attempt, threads: ESTIMATOR.needs(rule, dict(wildcards.items()), attempt, threads).mem_mb


def minutes(rule):
    return lambda wildcards, attempt: ESTIMATOR.needs(rule, dict(wildcards.items()), attempt).runtime


def gpus(rule):
    return lambda wildcards: ESTIMATOR.needs(rule, dict(wildcards.items())).gpu


def nodes(wildcards):
    # None but for a study whose workers run on several nodes: a group of jobs would ask for the sum.
    n_nodes = ESTIMATOR.count_nodes(dict(wildcards.items()))
    return n_nodes if n_nodes > 1 else None


def find_default(name, wildcards, input, attempt, threads):
    # What the user's profile gives for a resource that a rule sets in some cases only.
    defaults = Resources.from_mapping(workflow.resource_settings.default_resources or {})
    context = {"threads": threads, "rulename": "study", "async_run": workflow.async_run}
    return defaults.get(name).evaluate(wildcards, input=input, attempt=attempt, **context).value


def partition(rule):
    # Of jobs with a GPU that of the profile's default resource `gpu_partition`, if it has one.
    def find(wildcards, input, attempt, threads):
        names = ["gpu_partition"] if ESTIMATOR.needs(rule, dict(wildcards.items())).gpu else []
        found = (find_default(name, wildcards, input, attempt, threads) for name in [*names, "slurm_partition"])
        return next(filter(None, found), None)

    return find


def slurm_options(wildcards, input, attempt, threads):
    # Those of the user's profile. If one of several nodes is lost, the study trains its trials on the others.
    given = find_default("slurm_extra", wildcards, input, attempt, threads)
    options = [given, None if nodes(wildcards) is None else "--no-kill"]
    return " ".join(filter(None, options)) or None


def light(rule, *names, kind=None):
    # The group of a short job, with others that have the same values of these wildcards. A profile names the kind of
    # group, by default that of the rule.
    kind = kind or rule

    def group(wildcards):
        if not ESTIMATOR.is_light(rule, dict(wildcards.items())):
            return None
        group_id = "_".join([kind, *(wildcards[name] for name in names)])
        workflow.parent_groupids[group_id] = kind
        return group_id

    return group


def show_needs(message, gpus=False):
    # A dry run shows what each job would ask for: Snakemake shows the message of a job in place of its resources.
    if not workflow.output_settings.dryrun:
        return message
    number = ", GPUs: {resources.gpu}" if gpus else ""
    return f"{message} (asks for cores: {{threads}}, MB: {{resources.mem_mb}}, minutes: {{resources.runtime}}{number})"
