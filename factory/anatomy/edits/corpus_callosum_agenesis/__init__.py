"""Remove the corpus callosum, or its back part."""

from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from factory.anatomy.edits.operator import Edited, Example, Operator
from factory.config.parameters import Number
from factory.config.section import allowed
from factory.config.types import Share
from factory.imaging.types import Spacing
from factory.storage.subjects.types import CALLOSUM, LabelTable

Fissure = Annotated[float, Field(ge=0, le=20), allowed("0 to 20 mm")]


class CorpusCallosumAgenesis(Operator):
    """The corpus callosum is missing over a share of its length, from behind.

    A fissure of width fissure_mm replaces it at the midline, and white matter beyond.
    """

    seconds_per_megavoxel: ClassVar[float] = 0.02
    needs: ClassVar[tuple[str, ...]] = (CALLOSUM, "white_matter", "external_csf")
    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            "from behind",
            tuple({"share": share} for share in (0.33, 0.67, 1.0)),
            axis=2,
            tissue=CALLOSUM,
            record="lost_volume_ml",
        ),
        Example(
            "from behind, coronal",
            tuple({"share": share} for share in (0.33, 0.67, 1.0)),
            axis=1,
            tissue=CALLOSUM,
            record="lost_volume_ml",
        ),
    )

    share: Number[Share] = 1.0
    fissure_mm: Number[Fissure] = 4.0

    @staticmethod
    def apply(label: np.ndarray, spacing: Spacing, table: LabelTable, **values: Any) -> Edited:
        """Apply the edit; see `Operator.apply` and `edit.corpus_callosum_agenesis`."""
        from factory.anatomy.edits.corpus_callosum_agenesis.edit import corpus_callosum_agenesis

        return corpus_callosum_agenesis(label, spacing, table, **values)


OPERATOR = CorpusCallosumAgenesis
