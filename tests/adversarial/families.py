"""All families of attacks, in the order of the table."""

from adversarial import damage, data_edits, leaks, ledger_edits, models, races, record_edits, second_looks, spaces

FAMILIES = [
    models.FAMILY,
    data_edits.FAMILY,
    leaks.FAMILY,
    ledger_edits.FAMILY,
    record_edits.FAMILY,
    second_looks.FAMILY,
    races.FAMILY,
    spaces.FAMILY,
    damage.FAMILY,
]
