"""Pair the slices of a DICOM series with label maps that have a file each.

Files are paired by their whole names (IMG-0004-00002.dcm with IMG-0004-00002.png), else by number:
the last number in the label map's name is the DICOM file's InstanceNumber or the last number in
its name.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from factory.storage.errors import SubjectError

Pairs = Mapping[Path, Path]
"""The label map of each slice."""


def sort_by_number(files: Iterable[Path]) -> list[Path]:
    """Sort files by name, numbers within names by their value: IM-2 comes before IM-10."""
    return sorted(files, key=lambda file: (_sort_key(file), file.name))


def _sort_key(file: Path) -> list[tuple[str, int]]:
    return [(text, int(digits or -1)) for text, digits in re.findall(r"(\D*)(\d*)", file.stem)]


def last_number(file: Path) -> int | None:
    """Return the last number in a file's name, or None."""
    digits = re.findall(r"\d+", file.stem)
    return int(digits[-1]) if digits else None


def pair_label_maps(
    series: Path, slices: Sequence[Path], instances: Sequence[int | None], masks: Sequence[Path]
) -> Pairs:
    """Pair the slices of a series with their label maps.

    Args:
        series: The folder, for errors.
        slices: Its DICOM files.
        instances: The InstanceNumber of each of them.
        masks: The label maps' files.

    Raises:
        SubjectError: Where a file has no partner, naming it, or two possible ones.
    """
    if len(masks) == len(slices):
        if pairs := _pair_by_name(slices, masks):
            return pairs
        candidates = [
            pairs
            for numbers in (instances, [last_number(file) for file in slices])
            if (pairs := _pair_by_number(slices, numbers, masks))
        ]
        for file in slices if len(candidates) == 2 else ():
            first, second = (pairs[file] for pairs in candidates)
            if first != second:
                raise SubjectError(
                    f"{file}: its label map is {first.name} by its InstanceNumber, but "
                    f"{second.name} by its name; allowed: label maps with the names of their slices"
                )
        if candidates:
            return candidates[0]
        if pairs := _pair_interleaved(slices, masks):
            return pairs
    raise SubjectError(
        f"{series}: {len(slices)} slices, but {len(masks)} label maps"
        f"{_unpaired_file(slices, masks)}; allowed: one for each slice, of the same name or number"
    )


def _pair_by_name(slices: Sequence[Path], masks: Sequence[Path]) -> Pairs | None:
    masks_by_name = {mask.stem: mask for mask in masks}
    if any(file.stem not in masks_by_name for file in slices):
        return None
    return {file: masks_by_name[file.stem] for file in slices}


def _pair_by_number(
    slices: Sequence[Path], numbers: Sequence[int | None], masks: Sequence[Path]
) -> Pairs | None:
    """Pair by numbers; None where a number is missing or comes twice."""
    masks_by_number = {last_number(mask): mask for mask in masks}
    if (
        None in masks_by_number
        or len(masks_by_number) < len(masks)
        or set(numbers) != masks_by_number.keys()
    ):
        return None
    return {file: masks_by_number[number] for file, number in zip(slices, numbers, strict=True)}


def _pair_interleaved(slices: Sequence[Path], masks: Sequence[Path]) -> Pairs | None:
    """Pair where two echoes are numbered in turn and label maps carry the number of the other echo.

    The numbers of every pair then differ by one, in the same direction.
    """
    differences = {
        (last_number(mask) or 0) - (last_number(file) or 0)
        for file, mask in zip(slices, masks, strict=True)
    }
    numbers = [{last_number(file) for file in files} for files in (slices, masks)]
    if differences not in ({1}, {-1}) or numbers[0] & numbers[1]:
        return None
    return dict(zip(slices, masks, strict=True))


def _unpaired_file(slices: Sequence[Path], masks: Sequence[Path]) -> str:
    """Name the first file whose number is in no other file's name; "" where there is none."""
    for files, others in ((slices, masks), (masks, slices)):
        numbers = {last_number(other) for other in others}
        for file in files:
            if last_number(file) not in numbers:
                return f"; {file.name} has no partner"
    return ""
