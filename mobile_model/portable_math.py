"""Arithmetic that ends with the same bits on every processor.

BLAS adds in another order from one processor to the next, and `exp` and `log` of numpy and of the C library round
differently. What goes into a release is computed with these instead, so that it can be rebuilt byte for byte.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LN2_HIGH: Final = 6.93147180369123816490e-01
"""ln 2 cut off so that its product with any exponent is exact, and the rest of it (as in fdlibm)."""
_LN2_LOW: Final = 1.90821492927058770002e-10
_EXP_TERMS: Final = 13
_LOG_TERMS: Final = 12
_EXP_UNDERFLOW: Final = -700.0


def fixed_sum(values: Floats) -> float:
    """Gives the sum in numpy's pairwise order."""
    return float(np.add.reduce(values, axis=None))


def dot(left: Floats, right: Floats) -> float:
    """Gives the sum of the products."""
    return fixed_sum(left * right)


def exp(values: Floats) -> Floats:
    """Gives e to the power of values that are at most 0, within 1e-15 of the true value; below -700, e to the -700."""
    values = np.maximum(values, _EXP_UNDERFLOW)
    doublings = np.rint(values * (1.0 / (_LN2_HIGH + _LN2_LOW)))
    rest = values - doublings * _LN2_HIGH
    rest -= doublings * _LN2_LOW
    result = np.ones_like(rest)
    for term in range(_EXP_TERMS, 0, -1):
        result *= rest
        result *= 1.0 / term
        result += 1.0
    return np.ldexp(result, doublings.astype(np.int32))


def log(values: Floats) -> Floats:
    """Gives the natural logarithm of positive values within 1e-15, by the series of the inverse hyperbolic tangent."""
    fraction, exponent = np.frexp(values)
    small = fraction < np.sqrt(0.5)
    fraction = np.where(small, 2 * fraction, fraction)
    exponent = exponent - small
    ratio = (fraction - 1.0) / (fraction + 1.0)
    square = ratio * ratio
    series = np.zeros_like(ratio)
    for term in range(_LOG_TERMS, -1, -1):
        series *= square
        series += 1.0 / (2 * term + 1)
    result: Floats = exponent * _LN2_HIGH + (2 * ratio * series + exponent * _LN2_LOW)
    return result
