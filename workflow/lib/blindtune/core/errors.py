"""The errors that blindtune raises on purpose."""


class UserError(Exception):
    """An error that the user can fix.

    The message names the file, row or config key in one or two sentences and says what to do. Jobs and the command
    line print it without a traceback.
    """


class RepeatedDecodeError(UserError):
    """A different model of the same study would be evaluated on the same sealed data."""


class TransientError(UserError):
    """An error that may be gone at the next attempt, so that an engine that repeats failed jobs may repeat this one."""


class ClaimedError(TransientError):
    """Another living process writes to what this one wants to write to."""


class LostClaimError(TransientError):
    """Another process has taken over what this one was writing to."""
