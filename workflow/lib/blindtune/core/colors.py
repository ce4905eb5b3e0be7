"""The colors of classes, in the report and on the overlays of slides."""

#: By class, from the palette of Okabe and Ito (2008): the color of samples, and a paler one for decision surfaces.
CLASSES = (("#0072B2", "#cfe3f0"), ("#D55E00", "#f9dccb"), ("#009E73", "#cdeae1"), ("#CC79A7", "#f3e0eb"))


def class_color(label: int) -> tuple[int, int, int]:
    """Return red, green and blue of a class, each from 0 to 255."""
    red, green, blue = bytes.fromhex(CLASSES[label % len(CLASSES)][0].removeprefix("#"))
    return red, green, blue
