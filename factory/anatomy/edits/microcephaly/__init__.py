"""Scale the whole head down."""

from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, model_validator

from factory.anatomy.edits.operator import Edited, Example, Operator
from factory.config.parameters import Number
from factory.config.section import allowed, problem
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable

HeadMillimetres = Annotated[float, Field(ge=20, le=150), allowed("20 to 150 mm")]


class Microcephaly(Operator):
    """The whole head is scaled down to diameters, inside the skull.

    If one diameter is given, the other follows in proportion.
    """

    seconds_per_megavoxel: ClassVar[float] = 0.25
    needs: ClassVar[tuple[str, ...]] = ("grey_matter", "white_matter")
    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            "to a biparietal diameter",
            tuple({"biparietal_mm": mm} for mm in (62, 55, 48)),
            record="achieved_biparietal_mm",
        ),
    )

    biparietal_mm: Number[HeadMillimetres] | None = None
    occipito_frontal_mm: Number[HeadMillimetres] | None = None

    @model_validator(mode="after")
    def _check_any(self) -> "Microcephaly":
        if self.biparietal_mm is None and self.occipito_frontal_mm is None:
            raise problem("no diameter; allowed: biparietal_mm, occipito_frontal_mm, or both")
        return self

    @staticmethod
    def apply(label: np.ndarray, spacing: Spacing, table: LabelTable, **values: Any) -> Edited:
        """Apply the edit; see `Operator.apply` and `edit.microcephaly`."""
        from factory.anatomy.edits.microcephaly.edit import microcephaly

        return microcephaly(label, spacing, table, **values)


OPERATOR = Microcephaly
