"""What a displacement of the ventricles' wall must respect."""

from dataclasses import dataclass

from factory.errors import AnatomyError

NAME = "ventriculomegaly: displace"


@dataclass(frozen=True)
class Limits:
    """What the displacement must respect.

    Attributes:
        mantle_min_mm: The least distance from ventricle to convexity, to a voxel. Where it is less
            from the start, it must not become less.
        csf_min_share: The share of the external CSF that stays, at each place and in total.
        parenchyma_loss_max: The share of parenchyma (neither CSF nor ventricle) that may be lost,
            tissue by tissue.
        head_growth: The share of the ventricles' gain for which the skull makes room, 0 to 1, or of
            their loss by which the head becomes smaller. With 0 no voxel of background changes.
    """

    mantle_min_mm: float = 2.0
    csf_min_share: float = 0.3
    parenchyma_loss_max: float = 0.1
    head_growth: float = 0.0

    def check(self) -> None:
        """Raise AnatomyError if a limit is out of range."""
        for name, most in (
            ("mantle_min_mm", 20.0),
            ("csf_min_share", 0.95),
            ("parenchyma_loss_max", 0.5),
            ("head_growth", 1.0),
        ):
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise AnatomyError(f"{NAME}: {name} is {value}; allowed are 0 to {most:g}")
