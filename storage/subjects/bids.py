"""Subjects in the BIDS layout of the FeTA challenge.

participants.tsv                        participant_id, Pathology, Gestational age
dseg.tsv                                index, name (where the dataset has one)
sub-*/anat/sub-*_rec-*_T2w.nii.gz       the image, or _T1w where there is no T2w
sub-*/anat/sub-*_rec-*_dseg.nii.gz      its labels
sub-*/ses-*/anat/sub-*_ses-*_…          likewise, of a participant that came more than once
sub-*/sub-*_sessions.tsv                session_id, Pathology, Gestational age: of each session

A subject is one label map. Its id is the participant's, then the session's where there are
sessions (sub-01_ses-02), then the run's where there are several (sub-01_run-2).
"""

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from factory.storage.errors import SubjectError
from factory.storage.nearest_name import nearest_name_hint
from factory.storage.subjects import label_mappings as mappings

MAX_NAMES = 12
"""How many of those that are left out are named."""


@dataclass(frozen=True)
class Visit:
    """A participant's folder of images: of a session, or of all where there are no sessions."""

    participant: str
    session: str | None
    folder: Path

    @property
    def id(self) -> str:
        return "_".join(filter(None, (self.participant, self.session)))


def list_bids_subjects(
    root: str | Path,
    rec: str | None,
    mapping: str | mappings.LabelMapping | None,
    participants: list[str] | None = None,
) -> list[dict[str, Any]]:
    """Records of a dataset's subjects, sorted by id; no voxel is read.

    rec: the reconstruction ("mial", "irtk", "svrtk"); None takes the one each visit has. mapping:
    see factory.storage.subjects.label_mappings; None reads dseg.tsv. participants: those wanted,
    or single sessions of them (sub-01_ses-02), all by default. A record is plain JSON for
    load_subject: {"source": "bids", "id", "label", "image", "rec", "mapping",
    "gestational_age_weeks", "pathology"}, the last two None where no table says; where the id is
    not the participant's also "person", whose it is. Visits without labels are left out: see
    bids_remarks.

    Raises SubjectError where root is no such dataset, a participant is asked for that it has not,
    or has no labels of, a visit has several reconstructions and rec is None, or an image is
    missing.
    """
    root = Path(root)
    visits = _list_visits(root, participants)
    json_mapping = mappings.mapping_to_json(_read_mapping(root, mapping))
    labels = {visit: _find_labels(visit, rec) for visit in visits}
    if participants is not None:
        _check_labels_exist(participants, labels, rec)
    about = _read_table(root / "participants.tsv", "participant_id")
    records = []
    for visit, files in labels.items():
        known = about.get(visit.participant, {}) | _read_session(root, visit)
        for label in files:
            run = f"run-{_entity_value(label, 'run')}" if len(files) > 1 else None
            id = "_".join(filter(None, (visit.id, run)))
            records.append(
                {
                    "source": "bids",
                    "id": id,
                    "label": str(label),
                    "image": str(_find_image(label)),
                    "rec": _entity_value(label, "rec"),
                    "mapping": json_mapping,
                    "gestational_age_weeks": None,
                    "pathology": None,
                    **known,
                    **({} if id == visit.participant else {"person": visit.participant}),
                }
            )
    if not records:
        there = sorted({str(r) for v in visits for r in _group_by_reconstruction(v) if r})
        asked = f"rec {rec!r}" if rec else "a label file *_dseg.nii.gz"
        raise SubjectError(
            f"{root}: no subject has {asked}; there are {', '.join(there) or 'none'}"
        )
    return records


def list_bids_remarks(
    root: str | Path, rec: str | None, participants: list[str] | None = None
) -> list[str]:
    """What bids_subjects leaves out or takes for granted, one line each; it raises as that does."""
    root = Path(root)
    visits = _list_visits(root, participants)
    without = [visit.id for visit in visits if not _find_labels(visit, rec)]
    remarks = []
    if without:
        names = ", ".join(without[:MAX_NAMES]) + (", …" if len(without) > MAX_NAMES else "")
        which = f"label file of rec {rec}" if rec else "label file *_dseg.nii.gz"
        remarks.append(
            f"{root}: {len(without)} of {len(visits)} participants or sessions are left out, "
            f"without a {which}: {names}"
        )
    about = _read_table(root / "participants.tsv", "participant_id")
    for name in dict.fromkeys(visit.participant for visit in visits if visit.session):
        ages = [_read_session(root, v) for v in visits if v.participant == name]
        undated = sum("gestational_age_weeks" not in age for age in ages)
        if undated > 1 and about.get(name, {}).get("gestational_age_weeks"):
            remarks.append(
                f"{root}: {undated} sessions of {name} have one gestational age, that of "
                f"participants.tsv; {name}_sessions.tsv may give each its own"
            )
    return remarks


def _list_visits(root: Path, participants: list[str] | None) -> list[Visit]:
    """The visits of a dataset, or of the participants that are asked for, sorted by id."""
    folders = {path.name: path for path in sorted(root.glob("sub-*")) if path.is_dir()}
    if not folders:
        raise SubjectError(f"{root}: no BIDS dataset here: no folder sub-*")
    every = []
    for name, folder in folders.items():
        sessions = [path for path in sorted(folder.glob("ses-*")) if path.is_dir()]
        if not sessions or (folder / "anat").is_dir():
            every.append(Visit(name, None, folder / "anat"))
        every += [Visit(name, path.name, path / "anat") for path in sessions]
    if participants is None:
        return every
    known = {name: None for visit in every for name in (visit.participant, visit.id)}
    wanted = set()
    for asked in participants:
        name = _participant_id(asked)
        if name not in known:
            hint = nearest_name_hint(name, known) or f"; it has {', '.join(folders)}"
            raise SubjectError(f"{root}: no participant {name}{hint}")
        wanted.add(name)
    return [visit for visit in every if wanted & {visit.participant, visit.id}]


def _participant_id(asked: str) -> str:
    return asked if asked.startswith("sub-") else f"sub-{asked}"


def _check_labels_exist(
    participants: list[str], labels: dict[Visit, list[Path]], rec: str | None
) -> None:
    """Raise SubjectError where one that is asked for has no labels."""
    for name in map(_participant_id, participants):
        visits = [visit for visit in labels if name in (visit.participant, visit.id)]
        if any(labels[visit] for visit in visits):
            continue
        there = sorted({str(r) for visit in visits for r in _group_by_reconstruction(visit)})
        of_rec = f" of rec {rec}; there is rec {', '.join(there)}" if rec and there else ""
        raise SubjectError(
            f"{visits[0].folder}: {name} is asked for and has no label file *_dseg.nii.gz{of_rec}"
        )


def _find_image(label: Path) -> Path:
    """The image beside a label file, T2w before T1w. Raises SubjectError where there is none."""
    image, t1w = (
        label.with_name(label.name.replace("_dseg.nii", f"_{weighting}.nii"))
        for weighting in ("T2w", "T1w")
    )
    if not image.is_file() and t1w.is_file():
        image = t1w
    if not image.is_file():
        raise SubjectError(f"{image}: no such file, the image of {label.name}")
    return image


def _read_mapping(
    root: Path, mapping: str | mappings.LabelMapping | None
) -> str | mappings.LabelMapping:
    if mapping is not None:
        mappings.resolve_mapping(mapping)
        return mapping
    table = root / "dseg.tsv"
    if not table.is_file():
        raise SubjectError(
            f"{table}: no such file, so the labels' mapping must be named: one of "
            f"{', '.join(mappings.NAMED_MAPPINGS)}, or value: tissue"
        )
    return {str(value): tissue for value, tissue in mappings.read_dseg(table).items()}


def _group_by_reconstruction(visit: Visit) -> dict[str | None, list[Path]]:
    """The label files of a visit by reconstruction; None where the name has no rec-."""
    found: dict[str | None, list[Path]] = {}
    for suffix in ("nii", "nii.gz"):
        for path in sorted(visit.folder.glob(f"{visit.participant}_*dseg.{suffix}")):
            found.setdefault(_entity_value(path, "rec"), []).append(path)
    return found


def _entity_value(path: Path, key: str) -> str | None:
    """The value of a BIDS entity in a file name: rec of sub-01_rec-mial_dseg.nii.gz is mial."""
    parts = (part.partition("-") for part in path.name.split("_"))
    return next((value for name, _, value in parts if name == key), None)


def _find_labels(visit: Visit, rec: str | None) -> list[Path]:
    """The label files of a visit: none, one, or one a run."""
    found = _group_by_reconstruction(visit)
    if rec is None and len(found) > 1:
        raise SubjectError(
            f"{visit.id} has several reconstructions ({', '.join(sorted(map(str, found)))}): say "
            "which with rec"
        )
    labels = next(iter(found.values()), []) if rec is None else found.get(rec, [])
    labels = sorted(labels, key=lambda path: path.name)
    runs = {_entity_value(path, "run") for path in labels}
    if len(labels) > 1 and (None in runs or len(runs) < len(labels)):
        raise SubjectError(
            f"{visit.id} has several label files: {', '.join(p.name for p in labels)}"
        )
    return labels


def _read_session(root: Path, visit: Visit) -> dict[str, Any]:
    """What the table of a participant's sessions says of a visit."""
    if visit.session is None:
        return {}
    path = root / visit.participant / f"{visit.participant}_sessions.tsv"
    known = _read_table(path, "session_id").get(visit.session, {})
    return {key: value for key, value in known.items() if value is not None}


def _read_table(path: Path, key: str) -> dict[str, dict[str, Any]]:
    """Age and pathology by participant or session; nothing where there is no such file."""
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file, delimiter="\t")
        columns = {name.strip().lower().replace(" ", "_"): name for name in rows.fieldnames or ()}
        if key not in columns:
            raise SubjectError(f"{path}: needs the column {key}, has {rows.fieldnames}")
        about: dict[str, dict[str, Any]] = {}
        for row in rows:
            known = {name: (row[column] or "").strip() for name, column in columns.items()}
            # the second as our own exports name it
            age = known.get("gestational_age") or known.get("gestational_age_weeks", "")
            where = f"{path}, line {rows.line_num}"
            said = {
                "gestational_age_weeks": _parse_age_weeks(age, where),
                "pathology": known.get("pathology") or None,
            }
            if about.setdefault(known[key], said) != said:
                raise SubjectError(
                    f"{where}: {known[key]} again, as another; allowed: one row each"
                )
    return about


def _parse_age_weeks(text: str, where: str) -> float | None:
    if text.lower() in ("", "n/a", "nan"):
        return None
    try:
        age = float(text)
    except ValueError:
        age = math.nan
    if not 0 < age < 60:
        raise SubjectError(f"{where}: Gestational age {text!r} is not a number of weeks")
    return age
