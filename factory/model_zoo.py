"""The models there are: a line each, from its card, and whether its files are the card's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from factory.lookup import find_model, model_folders
from factory.models.checkpoint import WeightsError, read_card, sha256

BASELINE = "class means"


@dataclass(frozen=True)
class ModelsReport:
    """One entry a model: name, family, licence, trained_on, held_out, folder, usable."""

    models: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        return {"models": self.models}

    def lines(self) -> list[str]:
        if not self.models:
            return ["no models here or installed; train one with factory train RECIPE"]
        columns = ("name", "family", "licence", "trained_on", "held_out", "folder")
        return [
            "  ".join(entry[column] for column in columns)
            + ("" if entry["usable"] else "  REFUSED")
            for entry in self.models
        ]


def models(names: Sequence[str] = ()) -> ModelsReport:
    """Those named, by folder or by name; by default all in models/weights here and installed.

    Raises FactoryError for a name that is none.
    """
    folders = [find_model(name, "models") for name in names] if names else model_folders()
    return ModelsReport([entry(folder) for folder in folders])


def entry(folder: Path) -> dict[str, Any]:
    """What a card says, in one line's words; a card that cannot be read, or whose files differ
    from it, is listed as unusable, with the reason for its held-out score."""
    found = {"name": folder.name, "family": "?", "licence": "?", "trained_on": "?"}
    try:
        card = read_card(folder)
        training = card.get("training", {})
        subjects = training.get("subjects", [])
        found |= {
            "name": card.get("name", folder.name),
            "family": card["family"],
            "licence": card.get("licence", "no licence given"),
            "trained_on": f"{len(subjects)} subjects, {len(training.get('held_out', []))} held out",
        }
        check(folder, card)
    except WeightsError as error:
        return {**found, "held_out": str(error), "folder": str(folder), "usable": False}
    return {**found, "held_out": headline(card), "folder": str(folder), "usable": True}


def check(folder: Path, card: dict[str, Any]) -> None:
    """Raises WeightsError where a weight file is missing or differs from the card's sha256."""
    for name, digest in card["sha256"].items():
        if not (folder / name).is_file():
            raise WeightsError(f"{name}: missing")
        if sha256(folder / name) != digest:
            raise WeightsError(f"{name}: its sha256 differs from the card's; the file was changed")


def headline(card: dict[str, Any]) -> str:
    """The held-out score in a few words: the mean Dice of a label model; how far what is drawn of
    ultrasound is from MR; the FID of slices drawn from noise, or their KID where there are too few
    for it; the best SSIM of a model that paints, its mean over the held-out subjects."""
    rows = card.get("metrics", {}).get("held_out", [])
    by = {name: row for row in rows for name in (row.get("measure"), row.get("what")) if name}
    if row := by.get("Dice mean"):
        return f"held-out Dice {row['model']:.3f}"
    if row := by.get("model"):
        return f"held-out deformation {row['deformation']:.3f}"
    if overlaps := [row["dice"] for row in rows if "structure" in row and row["subject"] == "mean"]:
        return f"held-out Dice {sum(overlaps) / len(overlaps):.3f}"
    for row in rows:
        if row.get("against") == "held_out":
            name = "fid" if row["fid"] is not None else "kid"
            return f"held-out {name.upper()} {row[name]:.3g}"
    return _best_ssim(rows)


def _best_ssim(rows: list[dict[str, Any]]) -> str:
    ssim: dict[str, list[float]] = {}
    for row in rows:
        name = str(row.get("version", row.get("style")))
        if name != BASELINE and row.get("ssim") is not None:
            ssim.setdefault(name, []).append(row["ssim"])
    if not ssim:
        return "not scored"
    means = {name: sum(values) / len(values) for name, values in ssim.items()}
    best = max(means, key=lambda name: means[name])
    return f"held-out SSIM {means[best]:.3f} ({best})"
