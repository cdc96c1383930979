"""Growth of the fetal head and brain from 20 to 38 weeks: published curves as functions of age.

Ages are gestational weeks, as floats; results are millimetres. Ultrasound measures the head outside
the skull, while label maps end inside it; `skull_mm` is the thickness between the two.
"""

import numpy as np

MIN_WEEKS, MAX_WEEKS = 20.0, 38.0

ATRIAL_WIDTH_MM, ATRIAL_WIDTH_SD_MM = 7.6, 0.6
"""Width of the lateral ventricle at the atrium; constant from 14 weeks to term (Cardoza et al.,
Radiology 1988)."""


def skull_mm(weeks: float) -> float:
    """Return the thickness of one side of skull and dura: 0.8 mm at 20 weeks, 1.6 mm at 36.

    An approximation, not a published curve. The intracranial diameters are the outer ones less
    twice this.
    """
    return 0.8 + 0.05 * (weeks - 20.0)


def biparietal_mm(weeks: float) -> float:
    """Return the biparietal diameter, outer to outer edge: 47 mm at 20 weeks, 88 mm at 35.

    The curve of Hadlock et al., Radiology 1984 (weeks = 9.54 + 1.482 B + 0.1676 B², B in cm,
    inverted) is measured from the outer edge to the inner; one thickness of skull is added.
    """
    leading_edge_cm = (-1.482 + np.sqrt(1.482**2 + 4 * 0.1676 * (weeks - 9.54))) / (2 * 0.1676)
    return float(10 * leading_edge_cm + skull_mm(weeks))


def occipito_frontal_mm(weeks: float) -> float:
    """Return the occipito-frontal diameter, outer to outer edge: 61 mm at 20 weeks, 110 mm at 35.

    INTERGROWTH-21st, Papageorghiou et al., Lancet 2014.
    """
    return float(-12.4097 + 0.626342 * weeks**2 - 0.148075 * weeks**2 * np.log(weeks))


def transcerebellar_mm(weeks: float) -> float:
    """Return the transcerebellar diameter: 41.5 mm at 35 weeks.

    Up to 24 weeks it is about as many mm as weeks, then it grows faster. The points are the medians
    of Goldstein et al., Am J Obstet Gynecol 1987, and Hill et al., Obstet Gynecol 1990, rounded and
    joined by straight lines.
    """
    return float(
        np.interp(
            weeks,
            [20, 22, 24, 26, 28, 30, 32, 34, 36, 38],
            [20.0, 22.0, 24.3, 27.3, 30.5, 33.7, 36.8, 40.0, 43.0, 46.0],
        )
    )


def subarachnoid_mm(weeks: float) -> float:
    """Return the width of the external CSF over the convexity: wide in mid-gestation, thin at term.

    An approximation to the sinocortical widths seen on fetal MRI (after Watanabe et al., 2005).
    """
    return float(np.interp(weeks, [20, 24, 28, 32, 36, 38], [2.3, 3.5, 3.8, 3.0, 2.2, 1.8]))


def intracranial_mm(weeks: float) -> tuple[float, float]:
    """Return the biparietal and the occipito-frontal diameter inside the skull."""
    allowance = 2 * skull_mm(weeks)
    return biparietal_mm(weeks) - allowance, occipito_frontal_mm(weeks) - allowance


def biparietal_sd_mm(weeks: float) -> float:
    """Return the standard deviation of the biparietal diameter: 3.0 mm at 28 weeks.

    INTERGROWTH-21st, Papageorghiou et al., Lancet 2014.
    """
    log = np.log(weeks)
    exponent = 0.101242 + weeks**3 * (0.00150557 - 0.000771535 * log + 0.0000999638 * log**2)
    return float(np.exp(exponent))


def occipito_frontal_sd_mm(weeks: float) -> float:
    """Return the standard deviation of the occipito-frontal diameter: 3.7 mm at 28 weeks.

    INTERGROWTH-21st, Papageorghiou et al., Lancet 2014.
    """
    log = np.log(weeks)
    exponent = -0.880034 + weeks**2 * (0.0631165 - 0.0317136 * log + 0.00408302 * log**2)
    return float(np.exp(exponent))
