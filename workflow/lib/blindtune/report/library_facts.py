"""Facts about the libraries that no record of a study can show, with their sources.

Versions: Keras Tuner 1.4.8, Optuna 5.0.0, scikit-learn 1.9.1, SciKeras 0.13.0, skorch 1.4.0; of the optional engines
SMAC 2.4.1, Google Vizier 0.1.24, Ray 2.60.0 with HyperOpt 0.3.0, NNI 2.10, Nevergrad 1.0.12. "Guide" is Fairbanks, A
Guide to Hyperparameter Tuning Libraries (2024). Other facts were found by trying these versions for this project.
"""

from dataclasses import dataclass

LIBRARIES = ("keras-tuner", "optuna", "scikit-learn")


@dataclass(frozen=True)
class LibraryFact:
    """A criterion of the guide with the facts about each library.

    Attributes:
        criterion: the name of the criterion.
        guide: what the guide says about it.
        source: the source of the facts.
        by_library: the fact about each library.
    """

    criterion: str
    guide: str
    source: str
    by_library: dict[str, str]


FACTS = [
    LibraryFact(
        "Errors, left to the library alone",
        "Keras Tuner: good error handling; Optuna: error prone, errors to be caught must be named",
        "tried with the versions in the notes",
        {
            "keras-tuner": "Skips a failed configuration, but three in a row end the search. Then it cannot resume. "
            "With failed configurations, Hyperband stops promoting.",
            "optuna": "An error that is not listed in catch ends the search. TPE does not learn from listed "
            "errors: on a space with many invalid configurations it spent 80% of its trials on them.",
            "scikit-learn": "A failed fit ranks last and the search continues; but if every score is NaN it still "
            "returns a best configuration.",
            "smac": "A crashed trial, or one whose error is not a number, ends the search at its next suggestion: the "
            "forest refuses its cost.",
            "vizier": "Eagle takes Vizier's mark for a failed trial; NSGA2 ends with an error at it.",
            "ray-tune": "HyperOpt takes errors that are infinite or not a number, and continues.",
            "nni": "TPE takes errors that are infinite or not a number, and continues; it forgets a failed trial. "
            "Curve fitting logs an error at every epoch, and ends no training.",
            "nevergrad": "CMA and NGOpt take errors that are infinite or not a number, and continue.",
        },
    ),
    LibraryFact(
        "The library's own log",
        "Keras Tuner: amazing; Optuna: heavy lifting for local logs, no weights saved; scikit-learn: tough",
        "tried with the versions in the notes",
        {
            "keras-tuner": "A file per trial with the metrics of the best epoch; no learning curves and no "
            "times. The best weights are kept.",
            "optuna": "Configurations, values and times in memory, a database or a journal; no weights. Values "
            "that are not JSON are refused.",
            "scikit-learn": "A table in memory with the mean times of fit and score; nothing on disk.",
        },
    ),
    LibraryFact(
        "After a kill, left to the library alone",
        "not mentioned",
        "tried with the versions in the notes",
        {
            "keras-tuner": "The interrupted trial is run again, but a truncated file makes the project unusable.",
            "optuna": "The interrupted trial stays 'running' forever, unless its database uses a heartbeat. The "
            "state of the sampler is lost.",
            "scikit-learn": "Everything is lost.",
        },
    ),
    LibraryFact(
        "Size of the space",
        "scikit-learn: about 30 terms",
        "tried with the versions in the notes",
        {
            "keras-tuner": "No limit was found.",
            "optuna": "No limit was found.",
            "scikit-learn": "A space of lists only must have fewer than 2^63 configurations: 63 lists of two values "
            "fail. One distribution that is not a list removes the limit.",
        },
    ),
    LibraryFact(
        "Models other than Keras",
        "Keras Tuner: none but scikit-learn; Optuna: great integration; scikit-learn: needs intermediate libraries",
        "guide, section 8; tried with the versions in the notes",
        {
            "keras-tuner": "Built for Keras and scikit-learn.",
            "optuna": "Any function that returns a number.",
            "scikit-learn": "Keras through SciKeras, which its author no longer maintains and which needs a fix with "
            "today's scikit-learn, or PyTorch through skorch.",
            "smac": "Any function that returns a number.",
            "vizier": "Any function that returns a number.",
            "ray-tune": "Any function that returns a number.",
            "nni": "Any program that reports a number.",
            "nevergrad": "Any function that returns a number.",
        },
    ),
]
