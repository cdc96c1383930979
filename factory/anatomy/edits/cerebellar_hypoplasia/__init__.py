"""Make the cerebellum smaller."""

from typing import Any, ClassVar

import numpy as np
from pydantic import model_validator

from factory.anatomy.edits.cerebellum import (
    CerebellumMillimetres,
    NormShare,
    check_one_diameter,
)
from factory.anatomy.edits.operator import Edited, Example, Operator
from factory.config.parameters import Number
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable


class CerebellarHypoplasia(Operator):
    """The cerebellum becomes smaller, to a diameter in mm or as a share of the norm.

    The posterior fossa stays: external CSF fills what the cerebellum gives up.
    """

    seconds_per_megavoxel: ClassVar[float] = 0.1
    needs: ClassVar[tuple[str, ...]] = ("cerebellum",)
    takes_age: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            "to a diameter",
            tuple({"transcerebellar_mm": mm} for mm in (22, 18, 13)),
            tissue="cerebellum",
            record="achieved_transcerebellar_mm",
        ),
        Example(
            "to a diameter, coronal",
            tuple({"transcerebellar_mm": mm} for mm in (22, 18, 13)),
            axis=1,
            tissue="cerebellum",
            record="achieved_transcerebellar_mm",
        ),
    )

    transcerebellar_mm: Number[CerebellumMillimetres] | None = None
    share_of_norm: Number[NormShare] | None = None

    @model_validator(mode="after")
    def _check_exactly_one(self) -> "CerebellarHypoplasia":
        check_one_diameter(self.transcerebellar_mm, self.share_of_norm)
        return self

    @staticmethod
    def apply(label: np.ndarray, spacing: Spacing, table: LabelTable, **values: Any) -> Edited:
        """Apply the edit; see `Operator.apply` and `edit.cerebellar_hypoplasia`."""
        from factory.anatomy.edits.cerebellar_hypoplasia.edit import cerebellar_hypoplasia

        return cerebellar_hypoplasia(label, spacing, table, **values)


OPERATOR = CerebellarHypoplasia
