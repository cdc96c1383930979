"""Subjects in the BIDS layout of the FeTA challenge.

participants.tsv                        participant_id, Pathology, Gestational age
dseg.tsv                                index, name (where the dataset has one)
sub-*/anat/sub-*_rec-*_T2w.nii.gz       the image, or _T1w where there is no T2w
sub-*/anat/sub-*_rec-*_dseg.nii.gz      its labels
sub-*/ses-*/anat/sub-*_ses-*_…          the same, for a participant with several sessions
sub-*/sub-*_sessions.tsv                session_id, Pathology, Gestational age of each session

A subject is one label map. Its id is the participant's, then the session's where there are
sessions (sub-01_ses-02), then the run's where there are several (sub-01_run-2).
"""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from factory.storage.errors import SubjectError
from factory.storage.nearest_name import nearest_name_hint
from factory.storage.subjects import label_mappings as mappings
from factory.storage.subjects.records import BidsRecord

MAX_NAMES = 12
"""How many participants without labels a warning names."""


@dataclass(frozen=True)
class Visit:
    """A participant's folder of images: of one session, or of all where there are no sessions."""

    participant: str
    session: str | None
    folder: Path

    @property
    def id(self) -> str:
        """The participant, and the session where there is one: sub-01_ses-02."""
        return "_".join(filter(None, (self.participant, self.session)))


@dataclass(frozen=True)
class ClinicalData:
    """What a table says of a participant or a session; None where it says nothing."""

    gestational_age_weeks: float | None = None
    pathology: str | None = None


def list_bids_subjects(
    root: str | Path,
    rec: str | None,
    mapping: str | mappings.LabelMapping | None,
    participants: Sequence[str] | None = None,
    images: Sequence[str] | None = None,
) -> list[BidsRecord]:
    """List the records of a dataset's subjects, sorted by id; no voxel is read.

    Visits without labels are left out: see list_bids_remarks.

    Args:
        root: The dataset's folder.
        rec: The reconstruction ("mial", "irtk", "svrtk"); None takes the one each visit has.
        mapping: See factory.storage.subjects.label_mappings; None reads dseg.tsv.
        participants: The requested participants, or single sessions of them (sub-01_ses-02); None
            takes all.
        images: The suffixes of the images' channels, e.g. ["T1w", "T2w"], which become the
            channels' names; None takes one image, T2w before T1w, as a channel without a name.

    Raises:
        SubjectError: Where root is no such dataset, a requested participant is unknown or has no
            labels, a visit has several reconstructions and rec is None, or an image or a channel
            is missing.
    """
    root = Path(root)
    visits = _list_visits(root, participants)
    json_mapping = mappings.mapping_to_json(find_mapping(root, mapping))
    labels = {visit: _find_labels(visit, rec) for visit in visits}
    if participants is not None:
        _check_labels_exist(participants, labels, rec)
    clinical = _read_table(root / "participants.tsv", "participant_id")
    records = []
    for visit, files in labels.items():
        session = _read_session(root, visit)
        participant = clinical.get(visit.participant, ClinicalData())
        for label in files:
            run = f"run-{_entity_value(label, 'run')}" if len(files) > 1 else None
            record: BidsRecord = {
                "source": "bids",
                "id": "_".join(filter(None, (visit.id, run))),
                "label": str(label),
                "image": _find_channels(label, images) if images else str(_find_image(label)),
                "rec": _entity_value(label, "rec"),
                "mapping": json_mapping,
                "gestational_age_weeks": session.gestational_age_weeks
                or participant.gestational_age_weeks,
                "pathology": session.pathology or participant.pathology,
            }
            if record["id"] != visit.participant:
                record["person"] = visit.participant
            if images:
                record["channels"] = list(images)
            records.append(record)
    if not records:
        names = sorted({str(r) for v in visits for r in _group_by_reconstruction(v) if r})
        missing = f"rec {rec!r}" if rec else "a label file *_dseg.nii.gz"
        raise SubjectError(
            f"{root}: no subject has {missing}; there are {', '.join(names) or 'none'}"
        )
    return records


def list_bids_remarks(
    root: str | Path, rec: str | None, participants: Sequence[str] | None = None
) -> list[str]:
    """List what list_bids_subjects leaves out or assumes, one line each.

    It takes the same arguments, and raises SubjectError in the same cases.
    """
    root = Path(root)
    visits = _list_visits(root, participants)
    unlabelled = [visit.id for visit in visits if not _find_labels(visit, rec)]
    remarks = []
    if unlabelled:
        names = ", ".join(unlabelled[:MAX_NAMES]) + (", …" if len(unlabelled) > MAX_NAMES else "")
        file = f"label file of rec {rec}" if rec else "label file *_dseg.nii.gz"
        remarks.append(
            f"{root}: {len(unlabelled)} of {len(visits)} participants or sessions are left out, "
            f"because they have no {file}: {names}"
        )
    clinical = _read_table(root / "participants.tsv", "participant_id")
    for name in dict.fromkeys(visit.participant for visit in visits if visit.session):
        sessions = [_read_session(root, v) for v in visits if v.participant == name]
        undated = sum(session.gestational_age_weeks is None for session in sessions)
        if undated > 1 and clinical.get(name, ClinicalData()).gestational_age_weeks:
            remarks.append(
                f"{root}: {undated} sessions of {name} share one gestational age, which is that "
                f"of participants.tsv; {name}_sessions.tsv may give each session its own"
            )
    return remarks


def _list_visits(root: Path, participants: Sequence[str] | None) -> list[Visit]:
    """List the visits of a dataset, or of the requested participants, sorted by id."""
    folders = {path.name: path for path in sorted(root.glob("sub-*")) if path.is_dir()}
    if not folders:
        raise SubjectError(f"{root}: no BIDS dataset here: no folder sub-*")
    visits = []
    for name, folder in folders.items():
        sessions = [path for path in sorted(folder.glob("ses-*")) if path.is_dir()]
        if not sessions or (folder / "anat").is_dir():
            visits.append(Visit(name, None, folder / "anat"))
        visits += [Visit(name, path.name, path / "anat") for path in sessions]
    if participants is None:
        return visits
    ids = {name: None for visit in visits for name in (visit.participant, visit.id)}
    requested = {_participant_id(name) for name in participants}
    for name in map(_participant_id, participants):
        if name not in ids:
            hint = nearest_name_hint(name, ids) or f"; it has {', '.join(folders)}"
            raise SubjectError(f"{root}: no participant {name}{hint}")
    return [visit for visit in visits if requested & {visit.participant, visit.id}]


def _participant_id(name: str) -> str:
    return name if name.startswith("sub-") else f"sub-{name}"


def _check_labels_exist(
    participants: Sequence[str], labels: dict[Visit, list[Path]], rec: str | None
) -> None:
    """Raise SubjectError where a requested participant has no labels."""
    for name in map(_participant_id, participants):
        visits = [visit for visit in labels if name in (visit.participant, visit.id)]
        if any(labels[visit] for visit in visits):
            continue
        names = sorted({str(r) for visit in visits for r in _group_by_reconstruction(visit)})
        of_rec = f" of rec {rec}; there is rec {', '.join(names)}" if rec and names else ""
        raise SubjectError(
            f"{visits[0].folder}: {name} is requested, but has no label file *_dseg.nii.gz{of_rec}"
        )


def _find_image(label: Path) -> Path:
    """Return the image beside a label file, T2w before T1w.

    Raises:
        SubjectError: Where there is none.
    """
    image, t1w = (
        label.with_name(label.name.replace("_dseg.nii", f"_{weighting}.nii"))
        for weighting in ("T2w", "T1w")
    )
    if not image.is_file() and t1w.is_file():
        image = t1w
    if not image.is_file():
        raise SubjectError(f"{image}: no such file, though {label.name} needs it as its image")
    return image


def _find_channels(label: Path, suffixes: Sequence[str]) -> list[str]:
    """Return the images of some suffixes beside a label file. Raises SubjectError if one lacks."""
    paths = [label.with_name(label.name.replace("_dseg.nii", f"_{s}.nii")) for s in suffixes]
    for path, suffix in zip(paths, suffixes, strict=True):
        if not path.is_file():
            raise SubjectError(
                f"{path}: no such file, though {label.name} needs it as its channel {suffix}"
            )
    return [str(path) for path in paths]


def find_mapping(
    root: Path, mapping: str | mappings.LabelMapping | None
) -> str | mappings.LabelMapping:
    """Return a mapping that is valid, or that of the dataset's dseg.tsv where it is None.

    Raises:
        SubjectError: The mapping is invalid, or it is None and there is no dseg.tsv.
    """
    if mapping is not None:
        mappings.resolve_mapping(mapping)
        return mapping
    table = root / "dseg.tsv"
    if not table.is_file():
        raise SubjectError(
            f"{table}: no such file, so the mapping of the labels must be named: one of "
            f"{', '.join(mappings.NAMED_MAPPINGS)}, a table of labels, or value: name"
        )
    return str(table)


def _group_by_reconstruction(visit: Visit) -> dict[str | None, list[Path]]:
    """Return a visit's label files by reconstruction; None is for names without rec-."""
    groups: dict[str | None, list[Path]] = {}
    for suffix in ("nii", "nii.gz"):
        for path in sorted(visit.folder.glob(f"{visit.participant}_*dseg.{suffix}")):
            groups.setdefault(_entity_value(path, "rec"), []).append(path)
    return groups


def _entity_value(path: Path, key: str) -> str | None:
    """Return a BIDS entity of a file name: rec of sub-01_rec-mial_dseg.nii.gz is mial."""
    parts = (part.partition("-") for part in path.name.split("_"))
    return next((value for name, _, value in parts if name == key), None)


def _find_labels(visit: Visit, rec: str | None) -> list[Path]:
    """Return the label files of a visit: none, one, or one for each run."""
    groups = _group_by_reconstruction(visit)
    if rec is None and len(groups) > 1:
        raise SubjectError(
            f"{visit.id} has several reconstructions ({', '.join(sorted(map(str, groups)))}): "
            "choose one with rec"
        )
    labels = next(iter(groups.values()), []) if rec is None else groups.get(rec, [])
    labels = sorted(labels, key=lambda path: path.name)
    runs = {_entity_value(path, "run") for path in labels}
    if len(labels) > 1 and (None in runs or len(runs) < len(labels)):
        raise SubjectError(
            f"{visit.id} has several label files: {', '.join(p.name for p in labels)}"
        )
    return labels


def _read_session(root: Path, visit: Visit) -> ClinicalData:
    """Read what the table of a participant's sessions says of a visit."""
    if visit.session is None:
        return ClinicalData()
    path = root / visit.participant / f"{visit.participant}_sessions.tsv"
    return _read_table(path, "session_id").get(visit.session, ClinicalData())


def _read_table(path: Path, key: str) -> dict[str, ClinicalData]:
    """Read ages and pathologies by the column `key`; {} where there is no such file."""
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file, delimiter="\t")
        columns = {name.strip().lower().replace(" ", "_"): name for name in rows.fieldnames or ()}
        if key not in columns:
            raise SubjectError(f"{path}: needs the column {key}, has {rows.fieldnames}")
        table: dict[str, ClinicalData] = {}
        for row in rows:
            cells = {name: (row[column] or "").strip() for name, column in columns.items()}
            # Our own exports name the column with its unit.
            age = cells.get("gestational_age") or cells.get("gestational_age_weeks", "")
            place = f"{path}, line {rows.line_num}"
            data = ClinicalData(_parse_age_weeks(age, place), cells.get("pathology") or None)
            if table.setdefault(cells[key], data) != data:
                raise SubjectError(
                    f"{place}: {cells[key]} has an earlier row with other values; allowed: one "
                    "row each"
                )
    return table


def _parse_age_weeks(text: str, place: str) -> float | None:
    if text.lower() in ("", "n/a", "nan"):
        return None
    try:
        age = float(text)
    except ValueError:
        age = math.nan
    if not 0 < age < 60:
        raise SubjectError(f"{place}: Gestational age {text!r} is not a number of weeks")
    return age
