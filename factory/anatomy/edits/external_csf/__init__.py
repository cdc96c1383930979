"""Widen the subarachnoid space."""

from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from factory.anatomy.edits.operator import Edited, Example, Operator
from factory.config.parameters import Number, extremes
from factory.config.section import allowed
from factory.imaging.types import Spacing
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import LabelTable

Wider = Annotated[float, Field(ge=0, le=15), allowed("0 to 15 mm")]


class ExternalCsf(Operator):
    """The subarachnoid space becomes wider by wider_mm, outwards: the head grows."""

    seconds_per_megavoxel: ClassVar[float] = 0.1
    needs: ClassVar[tuple[str, ...]] = ("external_csf",)
    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            "wider",
            tuple({"wider_mm": mm} for mm in (2.0, 4.0, 8.0)),
            axis=1,
            record="gained_volume_ml",
        ),
    )

    wider_mm: Number[Wider]

    @classmethod
    def head_growth_mm(cls, values: JsonObject) -> float:
        """Return the largest width, by which the head grows on each side."""
        return max(extremes(values["wider_mm"]))

    @staticmethod
    def apply(label: np.ndarray, spacing: Spacing, table: LabelTable, **values: Any) -> Edited:
        """Apply the edit; see `Operator.apply` and `edit.external_csf`."""
        from factory.anatomy.edits.external_csf.edit import external_csf

        return external_csf(label, spacing, table, **values)


OPERATOR = ExternalCsf
