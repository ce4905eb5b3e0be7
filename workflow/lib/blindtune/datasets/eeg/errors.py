"""The exception that leaves a recording out."""


class UnusableRecording(Exception):
    """Why a recording gives no sample: a short text for the list of bad files, without the recording's name."""
