"""The colours of classes, which what is drawn on slides shares with the report."""

#: Per class, from Okabe and Ito's palette (2008): the colour of samples and, paler, that of a surface below them.
CLASSES = (("#0072B2", "#cfe3f0"), ("#D55E00", "#f9dccb"), ("#009E73", "#cdeae1"), ("#CC79A7", "#f3e0eb"))


def rgb(label: int) -> tuple[int, int, int]:
    """Red, green and blue of a class, from 0 to 255."""
    red, green, blue = bytes.fromhex(CLASSES[label % len(CLASSES)][0].removeprefix("#"))
    return red, green, blue
