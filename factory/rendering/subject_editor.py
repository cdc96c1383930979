"""Case -> its subject on the case's grid, and the label map after the case's edits."""

from dataclasses import replace
from typing import Any

import numpy as np

from factory.anatomy.edits.registry import OPERATORS
from factory.case import Case
from factory.errors import AnatomyError
from factory.families.base import StyleEnds
from factory.schema.label_table import dataset_table
from factory.storage.subjects.resample import crop_to_shape
from factory.storage.subjects.types import Subject
from factory.subjects.registry import source_of


class SubjectEditor:
    """Keeps the last subject, since cases of one subject follow one another."""

    def __init__(self) -> None:
        self.last: tuple[tuple[Any, ...], Subject] | None = None

    def subject(self, case: Case) -> Subject:
        """The case's subject on the case's grid, in the dataset's table. Raises SubjectError."""
        source = source_of(case.subject)
        replicate = case.replicate if source.is_drawn else 0
        key = (case.subject, case.grid, case.labels, replicate)
        if self.last is None or self.last[0] != key:
            whole = source.load(case.subject, case.grid.spacing_mm, replicate)
            fitted = whole if source.is_drawn else crop_to_shape(whole, case.grid.shape)
            table = dataset_table(whole.table, case.labels)
            self.last = (key, replace(fitted, table=table))
        return self.last[1]

    def style_ends(self, case: Case) -> StyleEnds | None:
        """The real subjects that lend the case their style. Raises SubjectError."""
        return source_of(case.subject).style_ends(case.subject, case.grid.spacing_mm)

    def load_and_edit(self, case: Case) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
        """Label map, image (where the subject has one) and what the edits put on record.

        A record's numbers go by "<operator>_<name>", or by the edit's own name where it has one;
        those of the recipe's second edit of an operator by "<operator>_2_<name>".
        Raises AnatomyError, naming the case.
        """
        subject = self.subject(case)
        label, image = subject.label, subject.image
        age = subject.metadata.get("gestational_age_weeks")
        records: dict[str, Any] = {}
        for edit in case.edits:
            operator, parameters = OPERATORS[edit.operator], edit.parameters
            known = {"age_weeks": age} if operator.wants_age else {}
            try:
                label, image, *record = operator.apply(
                    label, subject.grid.spacing, subject.table, image=image, **parameters, **known
                )
            except AnatomyError as error:
                raise AnatomyError(f"{case.id}: {error}") from error
            own = parameters.get("name", edit.column_prefix)
            for written in record:
                age = written.get("age_weeks", age)
                records |= {f"{own}_{key}": value for key, value in written.items()}
        return label, image, records
