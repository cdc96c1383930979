"""Case -> its subject on the case's grid, and the label map after the case's edits."""

from dataclasses import replace
from typing import Any

import numpy as np

from factory.anatomy.edits.registry import of, operator_class, operator_function
from factory.case import Case
from factory.errors import AnatomyError
from factory.schema.label_table import dataset_table
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.resample import fit
from factory.storage.subjects.types import Subject


class Editor:
    """Keeps the last subject, since cases of one subject follow one another."""

    def __init__(self) -> None:
        self.last: tuple[tuple[Any, ...], Subject] | None = None

    def subject(self, case: Case) -> Subject:
        """The case's subject on the case's grid, in the dataset's table. Raises SubjectError."""
        drawn = case.subject["source"] == "latents"
        key = (case.subject, case.grid, case.labels, case.replicate if drawn else None)
        if self.last is None or self.last[0] != key:
            whole = _made(case)
            fitted = whole if drawn else fit(whole, tuple(case.grid["shape"]))
            table = dataset_table(whole.table, case.labels)
            self.last = (key, replace(fitted, table=table))
        return self.last[1]

    def edited(self, case: Case) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
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
            name, parameters = of(edit)
            run = operator_function(name)
            known = {"age_weeks": age} if operator_class(name).wants_age else {}
            try:
                label, image, *record = run(
                    label, subject.grid.spacing, subject.table, image=image, **parameters, **known
                )
            except AnatomyError as error:
                raise AnatomyError(f"{case.id}: {error}") from error
            own = parameters.get("name", edit.get("as", name))
            for written in record:
                age = written.get("age_weeks", age)
                records |= {f"{own}_{key}": value for key, value in written.items()}
        return label, image, records


def _made(case: Case) -> Subject:
    record, spacing_mm = case.subject, case.grid["spacing_mm"]
    if record["source"] == "interpolated":
        from factory.subjects.interpolated import make as between  # and torch with it

        return between(record, spacing_mm)
    if record["source"] == "latents":
        from factory.subjects.latents import make as drawn

        return drawn(record, spacing_mm, case.replicate)
    return load_subject(record, spacing_mm)
