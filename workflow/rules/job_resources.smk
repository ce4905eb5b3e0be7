"""What each job asks for: memory, minutes and GPUs. `--set-resources` and the config key `resources` count before it.

In: CONFIG. Out: functions for the `resources` of the other rules; `blindtune.job_resources.estimates` has the formulas.

Light jobs have a `group`, so that one job of a cluster can run many; a profile says how many (`group-components`).
Each takes one of the resource `grouped`, by which a profile limits how many of a group run at a time, and so what the
group asks for together. Without a cluster both do nothing.
"""

from snakemake.resources import Resource, Resources

from blindtune.job_resources.estimates import Estimator, check_requests

ESTIMATOR = Estimator(CONFIG)


resource_scopes:
    grouped="local",


try:
    check_requests(CONFIG, " + ".join(map(str, workflow.configfiles)))
except UserError as error:
    raise WorkflowError(str(error)) from None


def for_several_nodes(number):
    # A function that returns what --set-resources gives, for a study on several nodes; for any other study nothing.
    def find(wildcards, input, attempt, threads):
        context = {"threads": threads, "rulename": "study", "async_run": workflow.async_run}
        return nodes(wildcards) and number.evaluate(wildcards, input=input, attempt=attempt, **context).value

    return find


def limit_nodes(*rules):
    # --set-resources study:nodes=3 is for studies with `worker_nodes`: others would hold nodes without use, and those
    # in one group would ask for the sum. One task on each node, unless `tasks` says otherwise.
    has_nodes = any(number > 1 for one in CONFIG.compare for number in one.worker_nodes.values())
    for name in map(workflow.modifier.modify_rulename, rules):
        given = workflow.resource_settings._parsed_overwrite_resources.get(name, {})
        sources = {"nodes": "nodes", "tasks": "tasks" if "tasks" in given else "nodes"}
        # The jobs of a cluster are given the text that the user gave.
        limited = {
            key: Resource(key, for_several_nodes(given[source]), raw=given[source].raw)
            for key, source in sources.items()
            if source in given
        }
        if limited and not has_nodes and workflow.is_main_process:
            logger.warning(f"blindtune: {' and '.join(limited)} of {name} count for no job: no system has worker_nodes")
        for key, resource in limited.items():
            given[key] = resource


def share_settings(rule, *others):
    # What --set-resources and --set-threads give for one rule counts for others that do the same work.
    first, *names = map(workflow.modifier.modify_rulename, (rule, *others))
    settings = workflow.resource_settings
    for given in (settings._parsed_overwrite_threads, settings._parsed_overwrite_resources):
        if first in given:
            given.update({name: given[first] for name in names if name not in given})


limit_nodes("study", "study_of_all_seeds", "shard")
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


def shown_nodes(wildcards, input, attempt, threads):
    # For the message of a dry run, which cannot name a resource that only some jobs have; no job asks for it.
    if not workflow.output_settings.dryrun:
        return None
    name = workflow.modifier.modify_rulename("study" if "seed" in wildcards.keys() else "study_of_all_seeds")
    given = workflow.resource_settings._parsed_overwrite_resources.get(name, {})
    n_nodes = nodes(wildcards)
    if "nodes" in given:
        n_nodes = given["nodes"].evaluate(wildcards, input=input, attempt=attempt, threads=threads).value
    return f", nodes: {n_nodes}" if n_nodes and n_nodes > 1 else ""


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


def show_needs(message, gpus=False, nodes=False):
    # A dry run shows what each job would ask for: Snakemake shows the message of a job in place of its resources.
    if not workflow.output_settings.dryrun:
        return message
    number = ", GPUs: {resources.gpu}" if gpus else ""
    number += "{resources.shown_nodes}" if nodes else ""
    return f"{message} (asks for cores: {{threads}}, MB: {{resources.mem_mb}}, minutes: {{resources.runtime}}{number})"
