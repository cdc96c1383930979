"""Subjects in the BIDS layout of the FeTA challenge.

participants.tsv                        participant_id, Pathology, Gestational age
dseg.tsv                                index, name (where the dataset has one)
sub-*/anat/sub-*_rec-*_T2w.nii.gz       the image, or _T1w where there is no T2w
sub-*/anat/sub-*_rec-*_dseg.nii.gz      its labels
"""

import csv
import difflib
import math
from pathlib import Path
from typing import Any

from factory.storage.errors import SubjectError
from factory.storage.subjects import label_mappings as mappings


def bids_subjects(
    root: str | Path,
    rec: str | None,
    mapping: str | mappings.LabelMapping | None,
    participants: list[str] | None = None,
) -> list[dict[str, Any]]:
    """Records of a dataset's subjects, sorted by id; no voxel is read.

    rec: the reconstruction ("mial", "irtk", "svrtk"); subjects without it are left out. None
    takes the one each subject has. mapping: see factory.storage.subjects.label_mappings; None reads
    dseg.tsv. participants: the ids wanted, all by default. A record is plain JSON for load_subject:
    {"source": "bids", "id", "label", "image", "rec", "mapping", "gestational_age_weeks",
    "pathology"}, the last two None where participants.tsv does not say.

    Raises SubjectError where root is no such dataset, an unknown participant or reconstruction
    is asked for, a subject has several reconstructions and rec is None, or an image is missing.
    """
    root = Path(root)
    folders = {path.name: path for path in sorted(root.glob("sub-*")) if path.is_dir()}
    if not folders:
        raise SubjectError(f"{root}: no BIDS dataset here: no folder sub-*")
    ids = list(folders) if participants is None else _chosen(participants, folders, root)
    json_mapping = mappings.to_json(_mapping(root, mapping))
    about = _participants(root / "participants.tsv")
    found = {name: _reconstructions(folders[name]) for name in ids}
    records = []
    for name in ids:
        label = _choose(name, found[name], rec)
        if label is None:
            continue
        image, t1w = (
            label.with_name(label.name.replace("_dseg.nii", f"_{weighting}.nii"))
            for weighting in ("T2w", "T1w")
        )
        if not image.is_file() and t1w.is_file():
            image = t1w
        if not image.is_file():
            raise SubjectError(f"{image}: no such file, the image of {label.name}")
        records.append(
            {
                "source": "bids",
                "id": name,
                "label": str(label),
                "image": str(image),
                "rec": _entity(label, "rec"),
                "mapping": json_mapping,
                "gestational_age_weeks": None,
                "pathology": None,
                **about.get(name, {}),
            }
        )
    if not records:
        there = sorted({str(r) for recs in found.values() for r in recs if r})
        asked = f"rec {rec!r}" if rec else "a label file *_dseg.nii.gz"
        raise SubjectError(
            f"{root}: no subject has {asked}; there are {', '.join(there) or 'none'}"
        )
    return records


def _chosen(participants: list[str], folders: dict[str, Path], root: Path) -> list[str]:
    chosen = set()
    for participant in participants:
        name = participant if participant.startswith("sub-") else f"sub-{participant}"
        if name not in folders:
            close = difflib.get_close_matches(name, list(folders), n=1)
            hint = f"; did you mean {close[0]}?" if close else f"; it has {', '.join(folders)}"
            raise SubjectError(f"{root}: no participant {name}{hint}")
        chosen.add(name)
    return sorted(chosen)


def _mapping(
    root: Path, mapping: str | mappings.LabelMapping | None
) -> str | mappings.LabelMapping:
    if mapping is not None:
        mappings.resolve(mapping)
        return mapping
    table = root / "dseg.tsv"
    if not table.is_file():
        raise SubjectError(
            f"{table}: no such file, so the labels' mapping must be named: one of "
            f"{', '.join(mappings.NAMED)}, or value: tissue"
        )
    return {str(value): tissue for value, tissue in mappings.from_dseg(table).items()}


def _reconstructions(folder: Path) -> dict[str | None, list[Path]]:
    """The label files of a subject by reconstruction; None where the name has no rec-."""
    found: dict[str | None, list[Path]] = {}
    for suffix in ("nii", "nii.gz"):
        for path in sorted((folder / "anat").glob(f"{folder.name}_*dseg.{suffix}")):
            found.setdefault(_entity(path, "rec"), []).append(path)
    return found


def _entity(path: Path, key: str) -> str | None:
    """The value of a BIDS entity in a file name: rec of sub-01_rec-mial_dseg.nii.gz is mial."""
    parts = (part.partition("-") for part in path.name.split("_"))
    return next((value for name, _, value in parts if name == key), None)


def _choose(name: str, found: dict[str | None, list[Path]], rec: str | None) -> Path | None:
    if rec is None and len(found) > 1:
        raise SubjectError(
            f"{name} has several reconstructions ({', '.join(sorted(map(str, found)))}): say which "
            f"with rec"
        )
    labels = next(iter(found.values()), []) if rec is None else found.get(rec, [])
    if len(labels) > 1:
        raise SubjectError(f"{name} has several label files: {', '.join(p.name for p in labels)}")
    return labels[0] if labels else None


def _participants(path: Path) -> dict[str, dict[str, Any]]:
    """Age and pathology by participant; nothing where there is no such file."""
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file, delimiter="\t")
        columns = {name.strip().lower().replace(" ", "_"): name for name in rows.fieldnames or ()}
        if "participant_id" not in columns:
            raise SubjectError(f"{path}: needs the column participant_id, has {rows.fieldnames}")
        about = {}
        for row in rows:
            known = {key: (row[name] or "").strip() for key, name in columns.items()}
            # the second as our own exports name it
            age = known.get("gestational_age") or known.get("gestational_age_weeks", "")
            about[known["participant_id"]] = {
                "gestational_age_weeks": _age(age, f"{path}, line {rows.line_num}"),
                "pathology": known.get("pathology") or None,
            }
    return about


def _age(text: str, where: str) -> float | None:
    if text.lower() in ("", "n/a", "nan"):
        return None
    try:
        age = float(text)
    except ValueError:
        age = math.nan
    if not 0 < age < 60:
        raise SubjectError(f"{where}: Gestational age {text!r} is not a number of weeks")
    return age
