"""Make the cerebellum larger, and the posterior fossa with it."""

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
from factory.config.types import Share
from factory.imaging.types import Spacing
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import LabelTable


class CerebellarGrowth(Operator):
    """The cerebellum becomes larger, to a diameter in mm or as a share of the norm.

    Its wall pushes what is around. External CSF gives way first, then the skull, so that the
    posterior fossa grows with it. The rest of the brain, which loses at most the share
    parenchyma_loss_max, moves and keeps its topology.
    """

    seconds_per_megavoxel: ClassVar[float] = 6.0
    needs: ClassVar[tuple[str, ...]] = ("cerebellum", "external_csf")
    takes_age: ClassVar[bool] = True
    outward_mm: ClassVar[float] = 6.0
    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            "to a diameter",
            tuple({"transcerebellar_mm": mm} for mm in (34, 37, 40)),
            tissue="cerebellum",
            record="achieved_transcerebellar_mm",
            on_phantom=tuple({"transcerebellar_mm": mm} for mm in (33, 35, 37)),
        ),
        Example(
            "to a diameter, coronal",
            tuple({"transcerebellar_mm": mm} for mm in (34, 37, 40)),
            axis=1,
            tissue="cerebellum",
            record="achieved_transcerebellar_mm",
            on_phantom=tuple({"transcerebellar_mm": mm} for mm in (33, 35, 37)),
        ),
    )

    transcerebellar_mm: Number[CerebellumMillimetres] | None = None
    share_of_norm: Number[NormShare] | None = None
    parenchyma_loss_max: Share | None = None

    @model_validator(mode="after")
    def _check_exactly_one(self) -> "CerebellarGrowth":
        check_one_diameter(self.transcerebellar_mm, self.share_of_norm)
        return self

    @classmethod
    def head_growth_mm(cls, values: JsonObject) -> float:
        """Return by how many mm the skull below the cerebellum can move outwards at most."""
        return cls.outward_mm

    @staticmethod
    def apply(label: np.ndarray, spacing: Spacing, table: LabelTable, **values: Any) -> Edited:
        """Apply the edit; see `Operator.apply` and `edit.cerebellar_growth`."""
        from factory.anatomy.edits.cerebellar_growth.edit import cerebellar_growth

        return cerebellar_growth(label, spacing, table, **values)


OPERATOR = CerebellarGrowth
