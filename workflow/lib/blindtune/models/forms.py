"""The forms of models that a tuned system can train.

To add one: write a module with a subclass of `blindtune.models.base.Blueprint` and a function that creates a
`blindtune.models.base.ModelForm` from a `ModelChoice`, add a line here, a field for it to
`blindtune.records.model_card.ModelCard`, and a trainer to `blindtune.training.registry`.
"""

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

from blindtune.core.registry import Entry, Registry

if TYPE_CHECKING:
    from blindtune.models.base import ModelForm

FORMS = Registry(
    "blindtune.model_forms",
    "form of model",
    Entry,
    {
        "architecture": Entry("blindtune.models.architecture_form:create_form"),
        "estimator": Entry("blindtune.models.estimator_form:create_form"),
        "network": Entry("blindtune.models.network_form:create_form"),
    },
)


@dataclass(frozen=True)
class ModelChoice:
    """What a tuned system trains, as its config says.

    Attributes:
        form: a key of `FORMS`.
        name: of the family or the estimator, for messages; of a network in code its file or import path.
        skips_invalid_layers: of a family: whether layers that cannot be built are left out.
        steps: of an estimator: names or import paths of its classes.
        arguments: of an estimator or a HyperModel: JSON of its fixed arguments.
        parts: of an estimator: number of parts of train.
        modules: modules that determine what is built, besides that of the form.
        trainer: of a network in code: name of its trainer.
        defines_space: of a network in code: whether it asks for its hyperparameters, and there is no other space.
    """

    form: str
    name: str
    _: KW_ONLY
    skips_invalid_layers: bool = False
    steps: tuple[str, ...] = ()
    arguments: str = "{}"
    parts: int = 1
    modules: tuple[str, ...] = ()
    trainer: str = ""
    defines_space: bool = False


def create_form(choice: ModelChoice) -> "ModelForm":
    """Create the form that a choice names.

    Args:
        choice: of a tuned system.

    Raises:
        ValueError: the choice does not name what the form can build.
    """
    form: ModelForm = FORMS.load(choice.form)(choice)
    return form


def form_modules(choice: ModelChoice) -> set[str]:
    """Return the modules that determine what is built, for the digest of code."""
    return {FORMS[choice.form].module, *choice.modules}
