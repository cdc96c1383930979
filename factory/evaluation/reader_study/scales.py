"""The two scales of scores, and what each score is called."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """A scale of scores from 1 to 5.

    Attributes:
        name: Its name on the command line.
        words: What the scores 1 to 5 are called, in order.
        best: The score for the best image, 1 or 5.
    """

    name: str
    words: tuple[str, str, str, str, str]
    best: int

    def opinion(self, score: int) -> int:
        """Return a score as an opinion from 1 to 5, of which 5 is best."""
        return score if self.best == 5 else 6 - score


SCALES = {
    "mos": Scale("mos", ("Bad", "Poor", "Fair", "Good", "Excellent"), 5),
    "ayaz": Scale("ayaz", ("Very good", "Good", "Fair", "Poor", "Very poor"), 1),
}
"""mos: Jiao et al., section 3.2, in the words of ITU-T P.800; ayaz: Ayaz et al., figure 4c."""
