"""The two scales of scores, and what each score is called."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """words: of the scores 1 to 5, in order. best: the score that praises most."""

    name: str
    words: tuple[str, str, str, str, str]
    best: int

    def turned(self, score: int) -> int:
        """A score as one of 1 to 5 of which 5 is best."""
        return score if self.best == 5 else 6 - score


SCALES = {
    "mos": Scale("mos", ("Bad", "Poor", "Fair", "Good", "Excellent"), 5),
    "ayaz": Scale("ayaz", ("Very good", "Good", "Fair", "Poor", "Very poor"), 1),
}
"""mos: as Jiao et al., section 3.2, and ITU-T P.800 words it. ayaz: Ayaz et al., figure 4c."""
