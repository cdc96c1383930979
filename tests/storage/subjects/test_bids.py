import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from factory.storage.errors import SubjectError
from factory.storage.subjects.bids import bids_subjects
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.types import FETA


def dataset(root: Path, recs: dict[str, list[str]]) -> Path:
    """A dataset of FeTA's layout: {participant: its reconstructions}."""
    label = np.zeros((5, 6, 7), np.uint8)
    label[1:4, 1:5, 1:6] = 3
    for name, names in recs.items():
        (root / name / "anat").mkdir(parents=True)
        for rec in names:
            stem = root / name / "anat" / f"{name}_rec-{rec}"
            nib.save(nib.Nifti1Image(label, np.eye(4)), f"{stem}_dseg.nii.gz")
            nib.save(nib.Nifti1Image(label.astype(np.float32), np.eye(4)), f"{stem}_T2w.nii.gz")
    rows = [f"{name}\tPathological\t{21.5 + i}" for i, name in enumerate(sorted(recs))]
    header = "participant_id\tPathology\tGestational age"
    (root / "participants.tsv").write_text("\n".join([header, *rows, ""]))
    return root


def test_listing_is_sorted_plain_json_and_reads_no_voxel(tmp_path: Path) -> None:
    root = dataset(tmp_path, {"sub-03": ["irtk"], "sub-01": ["mial"], "sub-02": ["mial"]})
    for path in root.glob("*/anat/*"):
        path.write_bytes(b"")
    records = bids_subjects(root, None, "feta")
    assert json.loads(json.dumps(records)) == records
    assert [r["id"] for r in records] == ["sub-01", "sub-02", "sub-03"]
    assert records[2] == {
        "source": "bids",
        "id": "sub-03",
        "label": str(root / "sub-03/anat/sub-03_rec-irtk_dseg.nii.gz"),
        "image": str(root / "sub-03/anat/sub-03_rec-irtk_T2w.nii.gz"),
        "rec": "irtk",
        "mapping": "feta",
        "gestational_age_weeks": 23.5,
        "pathology": "Pathological",
    }


def test_an_age_is_found_as_our_own_exports_name_it(tmp_path: Path) -> None:
    root = dataset(tmp_path, {"sub-01": ["mial"]})
    table = root / "participants.tsv"
    table.write_text(table.read_text().replace("Gestational age", "gestational_age_weeks"))
    assert bids_subjects(root, None, "feta")[0]["gestational_age_weeks"] == 21.5


def test_a_reconstruction_chooses_its_subjects(tmp_path: Path) -> None:
    root = dataset(tmp_path, {"sub-01": ["mial", "irtk"], "sub-02": ["irtk"]})
    assert [r["id"] for r in bids_subjects(root, "mial", "feta")] == ["sub-01"]
    assert [r["rec"] for r in bids_subjects(root, "irtk", "feta")] == ["irtk", "irtk"]
    with pytest.raises(SubjectError, match=r"sub-01 has several .*irtk, mial"):
        bids_subjects(root, None, "feta")
    with pytest.raises(SubjectError, match=r"no subject has rec 'svrtk'; there are irtk, mial"):
        bids_subjects(root, "svrtk", "feta")


def test_participants_are_chosen_by_id(tmp_path: Path) -> None:
    root = dataset(tmp_path, {"sub-01": ["mial"], "sub-02": ["mial"]})
    assert [r["id"] for r in bids_subjects(root, "mial", "feta", ["02"])] == ["sub-02"]
    with pytest.raises(SubjectError, match=r"no participant sub-03; did you mean sub-0"):
        bids_subjects(root, "mial", "feta", ["03"])


def test_a_record_loads_with_its_metadata(tmp_path: Path) -> None:
    root = dataset(tmp_path, {"sub-01": ["mial"]})
    subject = load_subject(bids_subjects(root, "mial", {3: "cerebellum"})[0], None)
    assert subject.id == "sub-01"
    assert set(np.unique(subject.label)) == {0, FETA.index("cerebellum")}
    assert subject.metadata == {
        "gestational_age_weeks": 21.5,
        "pathology": "Pathological",
        "rec": "mial",
    }


def test_the_mapping_is_read_from_dseg_tsv_by_its_names(tmp_path: Path) -> None:
    root = dataset(tmp_path, {"sub-01": ["mial"]})
    with pytest.raises(SubjectError, match=r"dseg.tsv: no such file.*feta"):
        bids_subjects(root, "mial", None)
    table = root / "dseg.tsv"
    table.write_text("index\tname\n0\tBackground\n3\tCortical gray matter\n8\tCorpus-callosum\n")
    record = bids_subjects(root, "mial", None)[0]
    assert record["mapping"] == {"0": "background", "3": "grey_matter", "8": "white_matter"}
    assert set(np.unique(load_subject(record, None).label)) == {0, FETA.index("grey_matter")}
    table.write_text("index\tname\n0\tBackground\n3\tLeft kidney\n")
    with pytest.raises(SubjectError, match=r"dseg.tsv, line 3: cannot tell .* 3 'Left kidney'"):
        bids_subjects(root, "mial", None)


def test_listing_errors(tmp_path: Path) -> None:
    with pytest.raises(SubjectError, match=r"no folder sub-\*"):
        bids_subjects(tmp_path, None, "feta")
    root = dataset(tmp_path, {"sub-01": ["mial"]})
    with pytest.raises(SubjectError, match=r"no label mapping 'fetta'; .*did you mean feta"):
        bids_subjects(root, None, "fetta")
    (root / "participants.tsv").write_text("participant_id\tGestational age\nsub-01\ttwenty\n")
    with pytest.raises(SubjectError, match=r"line 2: Gestational age 'twenty'"):
        bids_subjects(root, None, "feta")
    (root / "participants.tsv").write_text("name\nsub-01\n")
    with pytest.raises(SubjectError, match="needs the column participant_id"):
        bids_subjects(root, None, "feta")
    (root / "participants.tsv").unlink()
    assert bids_subjects(root, None, "feta")[0]["gestational_age_weeks"] is None
    (root / "sub-01/anat/sub-01_rec-mial_T2w.nii.gz").unlink()
    with pytest.raises(SubjectError, match=r"sub-01_rec-mial_T2w\.nii\.gz: no such file"):
        bids_subjects(root, None, "feta")


def test_the_real_atlas_by_its_own_table_and_by_name(real_data: Path) -> None:
    atlas = real_data / "fetal-spina-bifida"
    records = bids_subjects(atlas, "svrtk", None)
    assert len(records) == 15
    named = bids_subjects(atlas, None, "spina-bifida-atlas", ["sub-ga28op"])[0]
    read = next(r for r in records if r["id"] == "sub-ga28op")
    by_table, by_name = load_subject(read, None), load_subject(named, 0.8)
    np.testing.assert_array_equal(by_table.label, by_name.label)
    assert by_table.metadata["gestational_age_weeks"] == 28
    millilitres = np.bincount(by_table.label.ravel(), minlength=8) * 0.8**3 / 1000
    assert millilitres[FETA.index("ventricles")] == pytest.approx(16.9, abs=0.1)
    assert millilitres[FETA.index("cerebellum")] == pytest.approx(1.9, abs=0.1)
    at_1_mm = load_subject(named, 1.0)
    assert (at_1_mm.label > 0).sum() == pytest.approx(1000 * millilitres[1:].sum(), rel=0.01)
