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


def memory(rule):
    return lambda wildcards, attempt: ESTIMATOR.needs(rule, dict(wildcards.items()), attempt).mem_mb


def minutes(rule):
    return lambda wildcards, attempt: ESTIMATOR.needs(rule, dict(wildcards.items()), attempt).runtime


def gpus(rule):
    return lambda wildcards: ESTIMATOR.needs(rule, dict(wildcards.items())).gpu


def nodes(wildcards):
    # None but for a study whose workers run on several nodes: a group of jobs would ask for the sum.
    n_nodes = ESTIMATOR.count_nodes(dict(wildcards.items()))
    return n_nodes if n_nodes > 1 else None


def slurm_options(wildcards, input, attempt, threads):
    # Those of the user's profile. If one of several nodes is lost, the study trains its trials on the others.
    defaults = Resources.from_mapping(workflow.resource_settings.default_resources or {})
    context = {"threads": threads, "rulename": "study", "async_run": workflow.async_run}
    given = defaults.get("slurm_extra").evaluate(wildcards, input=input, attempt=attempt, **context).value
    options = [given, None if nodes(wildcards) is None else "--no-kill"]
    return " ".join(filter(None, options)) or None


def light(rule, *names):
    # The group of a short job, with others that have the same values of these wildcards. A profile names the rule.
    def group(wildcards):
        if not ESTIMATOR.is_light(rule, dict(wildcards.items())):
            return None
        group_id = "_".join([rule, *(wildcards[name] for name in names)])
        workflow.parent_groupids[group_id] = rule
        return group_id

    return group


def show_needs(message, gpus=False):
    # A dry run shows what each job would ask for: Snakemake shows the message of a job in place of its resources.
    if not workflow.output_settings.dryrun:
        return message
    number = ", GPUs: {resources.gpu}" if gpus else ""
    return f"{message} (asks for cores: {{threads}}, MB: {{resources.mem_mb}}, minutes: {{resources.runtime}}{number})"
