"""Which label map belongs to which slice, where each has a file of its own.

By the whole name (IMG-0004-00002.dcm with IMG-0004-00002.png), else by number: the DICOM file's
InstanceNumber or the last number in its name, with the last number in the label map's name.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from factory.storage.errors import SubjectError

Pairs = Mapping[Path, Path]
"""The label map of each slice."""


def sort_by_number(files: Iterable[Path]) -> list[Path]:
    """Files by name, numbers within names by their value: IM-2 comes before IM-10."""
    return sorted(files, key=lambda file: (_sort_key(file), file.name))


def _sort_key(file: Path) -> list[tuple[str, int]]:
    return [(text, int(digits or -1)) for text, digits in re.findall(r"(\D*)(\d*)", file.stem)]


def last_number(file: Path) -> int | None:
    """The last number in a file's name."""
    digits = re.findall(r"\d+", file.stem)
    return int(digits[-1]) if digits else None


def pair_label_maps(
    series: Path, slices: Sequence[Path], instances: Sequence[int | None], masks: Sequence[Path]
) -> Pairs:
    """Pair the slices of a series with their label maps.

    Arguments:
        series: The folder, for errors.
        slices: Its DICOM files.
        instances: The InstanceNumber of each of them.
        masks: The label maps' files, as many as there are slices.

    Raises:
        SubjectError: Where one has no partner, naming it, or may have two.
    """
    if len(masks) == len(slices):
        if pairs := _pair_by_name(slices, masks):
            return pairs
        found = [
            pairs
            for numbers in (instances, [last_number(file) for file in slices])
            if (pairs := _pair_by_number(slices, numbers, masks))
        ]
        for file in slices if len(found) == 2 else ():
            first, second = (pairs[file] for pairs in found)
            if first != second:
                raise SubjectError(
                    f"{file}: its label map is {first.name} by its InstanceNumber, but "
                    f"{second.name} by its name; allowed: label maps with the names of their slices"
                )
        if found:
            return found[0]
        if pairs := _pair_interleaved(slices, masks):
            return pairs
    raise SubjectError(
        f"{series}: {len(slices)} slices, but {len(masks)} label maps"
        f"{_unpaired_file(slices, masks)}; allowed: one a slice, of the same name or number"
    )


def _pair_by_name(slices: Sequence[Path], masks: Sequence[Path]) -> Pairs | None:
    named = {mask.stem: mask for mask in masks}
    if any(file.stem not in named for file in slices):
        return None
    return {file: named[file.stem] for file in slices}


def _pair_by_number(
    slices: Sequence[Path], numbers: Sequence[int | None], masks: Sequence[Path]
) -> Pairs | None:
    """None where a number is missing, or comes twice."""
    numbered = {last_number(mask): mask for mask in masks}
    if None in numbered or len(numbered) < len(masks) or set(numbers) != numbered.keys():
        return None
    return {file: numbered[number] for file, number in zip(slices, numbers, strict=True)}


def _pair_interleaved(slices: Sequence[Path], masks: Sequence[Path]) -> Pairs | None:
    """Two echoes numbered in turn, label maps by the other one: each is one number apart."""
    apart = {
        (last_number(mask) or 0) - (last_number(file) or 0)
        for file, mask in zip(slices, masks, strict=True)
    }
    numbers = [{last_number(file) for file in files} for files in (slices, masks)]
    if apart not in ({1}, {-1}) or numbers[0] & numbers[1]:
        return None
    return dict(zip(slices, masks, strict=True))


def _unpaired_file(slices: Sequence[Path], masks: Sequence[Path]) -> str:
    """The first file whose number is in none of the others' names, in words."""
    for files, others in ((slices, masks), (masks, slices)):
        there = {last_number(other) for other in others}
        for file in files:
            if last_number(file) not in there:
                return f"; {file.name} has no partner"
    return ""
