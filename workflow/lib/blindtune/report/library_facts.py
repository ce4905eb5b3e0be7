"""What a reader of the guide asks of the libraries and no record of a study can answer, with where it was found.

Versions: Keras Tuner 1.4.8, Optuna 5.0.0, scikit-learn 1.9.1, SciKeras 0.13.0, skorch 1.4.0. "Guide" is Fairbanks, A
Guide to Hyperparameter Tuning Libraries (2024); other sources are trials of these versions made for this project.
"""

from dataclasses import dataclass

LIBRARIES = ("keras-tuner", "optuna", "scikit-learn")


@dataclass(frozen=True)
class Fact:
    """One thing that the guide weighs.

    Attributes:
        criterion: what it is.
        guide: what the guide says of it.
        source: where the answers come from.
        of: the answer by library.
    """

    criterion: str
    guide: str
    source: str
    of: dict[str, str]


FACTS = [
    Fact(
        "Errors, left to the library alone",
        "Keras Tuner: good error handling; Optuna: error prone, errors to be caught must be named",
        "tried with the versions named below",
        {
            "keras-tuner": "Skips a failed set, but three in a row end the search; then it cannot be resumed. "
            "With failed sets Hyperband stops promoting.",
            "optuna": "An error that is not named in catch ends the search. One that is named is never learnt "
            "from: on a space with many impossible sets TPE spent 80% of its trials on them.",
            "scikit-learn": "A failed fit ranks last and the search goes on; but if every score is NaN it still "
            "names a best set.",
        },
    ),
    Fact(
        "The library's own log",
        "Keras Tuner: amazing; Optuna: heavy lifting for local logs, no weights saved; scikit-learn: tough",
        "tried with the versions named below",
        {
            "keras-tuner": "A file per trial with the measures of the best epoch, no learning curve, no times; "
            "the best weights are kept.",
            "optuna": "Sets, values and times in memory, a database or a journal; no weights. What is not JSON "
            "is refused.",
            "scikit-learn": "A table in memory, with the mean times of fit and score; nothing on disk.",
        },
    ),
    Fact(
        "After a kill, left to the library alone",
        "not weighed",
        "tried with the versions named below",
        {
            "keras-tuner": "The interrupted trial is run again; but a torn file makes the project unusable.",
            "optuna": "The interrupted trial stays 'running' for ever, unless a database with a heartbeat holds it; "
            "the sampler's state is lost.",
            "scikit-learn": "Everything is lost.",
        },
    ),
    Fact(
        "Size of the space",
        "scikit-learn: about 30 terms",
        "tried with the versions named below",
        {
            "keras-tuner": "No limit was met.",
            "optuna": "No limit was met.",
            "scikit-learn": "A space of lists only must have fewer than 2^63 sets: 63 lists of two values fail. One "
            "distribution that is no list removes the limit.",
        },
    ),
    Fact(
        "Models other than Keras",
        "Keras Tuner: none but scikit-learn; Optuna: great integration; scikit-learn: needs intermediate libraries",
        "guide, section 8; tried with the versions named below",
        {
            "keras-tuner": "Built for Keras and scikit-learn.",
            "optuna": "Anything that gives a number.",
            "scikit-learn": "Keras through SciKeras, which its author no longer maintains and which needs a fix with "
            "today's scikit-learn, or PyTorch through skorch.",
        },
    ),
]
