"""The errors that blindtune raises on purpose."""


class UserError(Exception):
    """Something that the user can put right.

    The message is one sentence or two that name the file, row or config key and say what to do;
    the adapters print it alone, without a traceback.
    """


class RepeatedDecodeError(UserError):
    """A different model of the same study asked for the same sealed data again."""
