import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from factory.storage.errors import SubjectError
from factory.storage.subjects.bids import list_bids_remarks, list_bids_subjects
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.types import FETA

AFFINE = np.diag([6.0, 6.0, 6.0, 1.0])


def dataset(root: Path, recs: dict[str, list[str]]) -> Path:
    """A dataset of FeTA's layout: {participant: its reconstructions}."""
    label = np.zeros((5, 6, 7), np.uint8)
    label[1:4, 1:5, 1:6] = 3
    for name, names in recs.items():
        (root / name / "anat").mkdir(parents=True)
        for rec in names:
            stem = root / name / "anat" / f"{name}_rec-{rec}"
            nib.save(nib.Nifti1Image(label, AFFINE), f"{stem}_dseg.nii.gz")
            nib.save(nib.Nifti1Image(label.astype(np.float32), AFFINE), f"{stem}_T2w.nii.gz")
    rows = [f"{name}\tPathological\t{21.5 + i}" for i, name in enumerate(sorted(recs))]
    header = "participant_id\tPathology\tGestational age"
    (root / "participants.tsv").write_text("\n".join([header, *rows, ""]))
    return root


def test_listing_is_sorted_plain_json_and_reads_no_voxel(tmp_path: Path) -> None:
    root = dataset(tmp_path, {"sub-03": ["irtk"], "sub-01": ["mial"], "sub-02": ["mial"]})
    for path in root.glob("*/anat/*"):
        path.write_bytes(b"")
    records = list_bids_subjects(root, None, "feta")
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
    assert list_bids_subjects(root, None, "feta")[0]["gestational_age_weeks"] == 21.5


def test_a_reconstruction_chooses_its_subjects(tmp_path: Path) -> None:
    root = dataset(tmp_path, {"sub-01": ["mial", "irtk"], "sub-02": ["irtk"]})
    assert [r["id"] for r in list_bids_subjects(root, "mial", "feta")] == ["sub-01"]
    assert [r["rec"] for r in list_bids_subjects(root, "irtk", "feta")] == ["irtk", "irtk"]
    with pytest.raises(SubjectError, match=r"sub-01 has several .*irtk, mial"):
        list_bids_subjects(root, None, "feta")
    with pytest.raises(SubjectError, match=r"no subject has rec 'svrtk'; there are irtk, mial"):
        list_bids_subjects(root, "svrtk", "feta")


def test_participants_are_chosen_by_id(tmp_path: Path) -> None:
    root = dataset(tmp_path, {"sub-01": ["mial"], "sub-02": ["mial"]})
    assert [r["id"] for r in list_bids_subjects(root, "mial", "feta", ["02"])] == ["sub-02"]
    with pytest.raises(SubjectError, match=r"no participant sub-03; did you mean sub-0"):
        list_bids_subjects(root, "mial", "feta", ["03"])


def test_a_record_loads_with_its_metadata(tmp_path: Path) -> None:
    root = dataset(tmp_path, {"sub-01": ["mial"]})
    subject = load_subject(list_bids_subjects(root, "mial", {3: "cerebellum"})[0], None)
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
        list_bids_subjects(root, "mial", None)
    table = root / "dseg.tsv"
    table.write_text("index\tname\n0\tBackground\n3\tCortical gray matter\n8\tCorpus-callosum\n")
    record = list_bids_subjects(root, "mial", None)[0]
    assert record["mapping"] == {"0": "background", "3": "grey_matter", "8": "white_matter"}
    assert set(np.unique(load_subject(record, None).label)) == {0, FETA.index("grey_matter")}
    table.write_text("index\tname\n0\tBackground\n3\tLeft kidney\n")
    other = list_bids_subjects(root, "mial", None)[0]
    assert other["mapping"] == {"0": "background", "3": "left_kidney"}
    assert load_subject(other, None).table.names == ("background", "left_kidney")
    table.write_text("index\tname\n0\tBackground\n3\tLeft kidney\n3\tSpleen\n")
    with pytest.raises(SubjectError, match=r"line 4: label 3 is Spleen, but an earlier line has"):
        list_bids_subjects(root, "mial", None)


def test_listing_errors(tmp_path: Path) -> None:
    with pytest.raises(SubjectError, match=r"no folder sub-\*"):
        list_bids_subjects(tmp_path, None, "feta")
    root = dataset(tmp_path, {"sub-01": ["mial"]})
    with pytest.raises(SubjectError, match=r"no label mapping 'fetta'; .*did you mean feta"):
        list_bids_subjects(root, None, "fetta")
    (root / "participants.tsv").write_text("participant_id\tGestational age\nsub-01\ttwenty\n")
    with pytest.raises(SubjectError, match=r"line 2: Gestational age 'twenty'"):
        list_bids_subjects(root, None, "feta")
    (root / "participants.tsv").write_text("name\nsub-01\n")
    with pytest.raises(SubjectError, match="needs the column participant_id"):
        list_bids_subjects(root, None, "feta")
    (root / "participants.tsv").unlink()
    assert list_bids_subjects(root, None, "feta")[0]["gestational_age_weeks"] is None
    (root / "sub-01/anat/sub-01_rec-mial_T2w.nii.gz").unlink()
    with pytest.raises(SubjectError, match=r"sub-01_rec-mial_T2w\.nii\.gz: no such file"):
        list_bids_subjects(root, None, "feta")


def test_the_real_atlas_by_its_own_table_and_by_name(real_data: Path) -> None:
    atlas = real_data / "fetal-spina-bifida"
    records = list_bids_subjects(atlas, "svrtk", None)
    assert len(records) == 15
    named = list_bids_subjects(atlas, None, "spina-bifida-atlas", ["sub-ga28op"])[0]
    read = next(r for r in records if r["id"] == "sub-ga28op")
    by_table, by_name = load_subject(read, None), load_subject(named, 0.8)
    np.testing.assert_array_equal(by_table.label, by_name.label)
    assert by_table.metadata["gestational_age_weeks"] == 28
    millilitres = np.bincount(by_table.label.ravel(), minlength=8) * 0.8**3 / 1000
    assert millilitres[FETA.index("ventricles")] == pytest.approx(16.9, abs=0.1)
    assert millilitres[FETA.index("cerebellum")] == pytest.approx(1.9, abs=0.1)
    at_1_mm = load_subject(named, 1.0)
    assert (at_1_mm.label > 0).sum() == pytest.approx(1000 * millilitres[1:].sum(), rel=0.01)


def file_at(path: Path, kinds: tuple[str, ...] = ("dseg", "T2w")) -> None:
    """Write the files of one visit; `path` ends before the last underscore."""
    path.parent.mkdir(parents=True, exist_ok=True)
    label = np.zeros((5, 6, 7), np.uint8)
    label[1:4, 1:5, 1:6] = 3
    for kind in kinds:
        values = label if kind == "dseg" else label.astype(np.float32)
        nib.save(nib.Nifti1Image(values, AFFINE), f"{path}_{kind}.nii.gz")


def test_sessions_and_runs_are_subjects_of_one_person(tmp_path: Path) -> None:
    for session in ("ses-01", "ses-02"):
        folder = tmp_path / "sub-01" / session / "anat"
        file_at(folder / f"sub-01_{session}_rec-mial")
    for run in ("run-1", "run-2"):
        file_at(tmp_path / "sub-02" / "ses-01" / "anat" / f"sub-02_ses-01_{run}")
        file_at(tmp_path / "sub-03" / "anat" / f"sub-03_{run}")
    file_at(tmp_path / "sub-04" / "anat" / "sub-04_run-1")
    (tmp_path / "participants.tsv").write_text("participant_id\tGestational age\nsub-01\t24\n")
    (tmp_path / "sub-01" / "sub-01_sessions.tsv").write_text(
        "session_id\tgestational_age\nses-01\tn/a\nses-02\t31.5\n"
    )
    records = list_bids_subjects(tmp_path, None, "feta")
    assert {r["id"]: r.get("person") for r in records} == {
        "sub-01_ses-01": "sub-01",
        "sub-01_ses-02": "sub-01",
        "sub-02_ses-01_run-1": "sub-02",
        "sub-02_ses-01_run-2": "sub-02",
        "sub-03_run-1": "sub-03",
        "sub-03_run-2": "sub-03",
        "sub-04": None,  # as it was called before sessions were read
    }
    assert [r["gestational_age_weeks"] for r in records[:3]] == [24, 31.5, None]
    assert load_subject(records[1], None).id == "sub-01_ses-02"
    assert list_bids_remarks(tmp_path, None) == []
    one = list_bids_subjects(tmp_path, None, "feta", ["01_ses-02", "sub-04"])
    assert [r["id"] for r in one] == ["sub-01_ses-02", "sub-04"]
    with pytest.raises(SubjectError, match=r"no participant sub-01_ses-03; did you mean sub-01_"):
        list_bids_subjects(tmp_path, None, "feta", ["sub-01_ses-03"])
    file_at(tmp_path / "sub-04" / "anat" / "sub-04_desc-x_run-1")
    with pytest.raises(SubjectError, match=r"sub-04 has several label files: sub-04_desc-x_run-1"):
        list_bids_subjects(tmp_path, None, "feta")


def test_sessions_that_share_an_age_give_a_remark(tmp_path: Path) -> None:
    for session in ("ses-01", "ses-02"):
        file_at(tmp_path / "sub-01" / session / "anat" / f"sub-01_{session}")
    (tmp_path / "participants.tsv").write_text("participant_id\tGestational age\nsub-01\t24\n")
    [remark] = list_bids_remarks(tmp_path, None)
    assert remark == (
        f"{tmp_path}: 2 sessions of sub-01 share one gestational age, which is that of "
        "participants.tsv; sub-01_sessions.tsv may give each session its own"
    )


def test_contradictory_rows_of_a_table_are_refused(tmp_path: Path) -> None:
    root = dataset(tmp_path, {"sub-01": ["mial"]})
    table = root / "participants.tsv"
    table.write_text("participant_id\tGestational age\nsub-01\t24\nsub-01\t24\n")
    assert list_bids_subjects(root, None, "feta")[0]["gestational_age_weeks"] == 24
    table.write_text("participant_id\tGestational age\nsub-01\t24\nsub-01\t31\n")
    with pytest.raises(SubjectError, match=r"participants.tsv, line 3: sub-01 has an earlier row"):
        list_bids_subjects(root, None, "feta")
    (root / "dseg.tsv").write_text("index\tname\n3\twhite matter\n3\tcerebellum\n")
    with pytest.raises(
        SubjectError, match=r"line 3: label 3 is cerebellum, but an earlier line has white matter"
    ):
        list_bids_subjects(root, None, None)


def test_a_remark_counts_and_names_visits_without_labels(tmp_path: Path) -> None:
    root = dataset(tmp_path, {"sub-01": ["mial"], "sub-02": ["irtk"], "sub-03": []})
    file_at(root / "sub-04" / "ses-01" / "anat" / "sub-04_ses-01_rec-mial")
    file_at(root / "sub-04" / "ses-02" / "anat" / "sub-04_ses-02_rec-mial", ("T2w",))
    assert [r["id"] for r in list_bids_subjects(root, "mial", "feta")] == [
        "sub-01",
        "sub-04_ses-01",
    ]
    assert list_bids_remarks(root, "mial") == [
        f"{root}: 3 of 5 participants or sessions are left out, because they have "
        "no label file of rec mial: sub-02, sub-03, sub-04_ses-02"
    ]
    assert list_bids_remarks(root, None) == [
        f"{root}: 2 of 5 participants or sessions are left out, because they have "
        "no label file *_dseg.nii.gz: sub-03, sub-04_ses-02"
    ]
    assert list_bids_remarks(root, None, ["01"]) == []


@pytest.mark.parametrize(
    ("participant", "rec", "says"),
    [
        ("sub-03", None, r"sub-03 is requested, but has no label file \*_dseg\.nii\.gz$"),
        ("02", "mial", r"sub-02 is .* no label file \S+ of rec mial; there is rec irtk$"),
        ("sub-04_ses-02", None, r"sub-04_ses-02 is requested, but has no label file"),
    ],
)
def test_a_requested_participant_without_labels_is_refused(
    tmp_path: Path, participant: str, rec: str | None, says: str
) -> None:
    root = dataset(tmp_path, {"sub-01": ["mial"], "sub-02": ["irtk"], "sub-03": []})
    file_at(root / "sub-04" / "ses-01" / "anat" / "sub-04_ses-01_rec-mial")
    file_at(root / "sub-04" / "ses-02" / "anat" / "sub-04_ses-02_rec-mial", ("T2w",))
    with pytest.raises(SubjectError, match=says) as caught:
        list_bids_subjects(root, rec, "feta", ["01", participant])
    assert "\n" not in str(caught.value)
