"""The scales of pixel values in files and arrays."""

# A fraction, and the largest values of 8, 10, 12, 14 and 16 bits.
USUAL_SCALES = (1, 255, 1023, 4095, 16383, 65535)


def smallest_scale(largest: float) -> int | None:
    """Return the smallest usual value of full brightness for pixels up to `largest`.

    None stands for pixels beyond 16 bits.
    """
    return next((scale for scale in USUAL_SCALES if largest <= scale), None)
