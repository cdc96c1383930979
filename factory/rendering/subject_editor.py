"""Load the subject of a case on the case's grid, and apply the case's edits."""

from dataclasses import dataclass, replace

import numpy as np

from factory.anatomy.edits.registry import OPERATORS
from factory.case import AddedLabel, Case, CaseGrid, CaseTable
from factory.errors import AnatomyError
from factory.families.base import StyleEnds
from factory.schema.label_table import dataset_table
from factory.storage.json_value import JsonObject
from factory.storage.subjects.label_mappings import map_by_name
from factory.storage.subjects.resample import crop_to_shape
from factory.storage.subjects.types import Subject
from factory.subjects.registry import source_of

SubjectKey = tuple[JsonObject, CaseGrid, tuple[AddedLabel, ...], CaseTable | None, int]
"""What a loaded subject depends on: its record, the grid, the labels and the replicate."""


@dataclass(frozen=True)
class EditedSubject:
    """A subject after the edits of a case.

    Attributes:
        label: uint8 [z, y, x].
        image: float32 [z, y, x] or [channel, z, y, x]; None if the subject has no image.
        records: What the edits report, by column.
    """

    label: np.ndarray
    image: np.ndarray | None
    records: JsonObject


class SubjectEditor:
    """Loads and edits subjects. It keeps the last one, since cases of one subject come together."""

    def __init__(self) -> None:
        self.last: tuple[SubjectKey, Subject] | None = None

    def subject(self, case: Case) -> Subject:
        """Return the case's subject on the case's grid, with the dataset's label table.

        Raises:
            SubjectError: If the subject cannot be loaded.
        """
        source = source_of(case.subject)
        replicate = case.replicate if source.is_drawn else 0
        key = (case.subject, case.grid, case.labels, case.table, replicate)
        if self.last is None or self.last[0] != key:
            loaded = source.load(case.subject, case.grid.spacing_mm, replicate)
            fitted = loaded if source.is_drawn else crop_to_shape(loaded, case.grid.shape)
            table = dataset_table(loaded.table, case.labels, case.table)
            label = fitted.label
            if case.table and case.table.names:
                label = map_by_name(label, loaded.table, table.names)
            label = label.astype(table.dtype, copy=False)
            self.last = (key, replace(fitted, label=label, table=table))
        return self.last[1]

    def style_ends(self, case: Case) -> StyleEnds | None:
        """Return the real subjects that lend the case their style, if any.

        Raises:
            SubjectError: If one of them cannot be loaded.
        """
        return source_of(case.subject).style_ends(case.subject, case.grid.spacing_mm)

    def load_and_edit(self, case: Case) -> EditedSubject:
        """Apply the edits of a case to its subject.

        The key of a number that an edit reports is "<operator>_<name>". It is
        "<edit's name>_<name>" if the edit has a name, and "<operator>_2_<name>" for the recipe's
        second edit of an operator.

        Raises:
            AnatomyError: If an edit cannot be made; the message names the case.
        """
        subject = self.subject(case)
        label, image = subject.label, subject.image
        age_weeks = subject.metadata.get("gestational_age_weeks")
        records: JsonObject = {}
        for edit in case.edits:
            operator, parameters = OPERATORS[edit.operator], edit.parameters
            age = {"age_weeks": age_weeks} if operator.takes_age else {}
            try:
                label, image, *reports = operator.apply(
                    label, subject.grid.spacing, subject.table, image=image, **parameters, **age
                )
            except AnatomyError as error:
                raise AnatomyError(f"{case.id}: {error}") from error
            prefix = parameters.get("name", edit.column_prefix)
            for report in reports:
                age_weeks = report.get("age_weeks", age_weeks)
                records |= {f"{prefix}_{key}": value for key, value in report.items()}
        return EditedSubject(label, image, records)
