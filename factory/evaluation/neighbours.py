"""The nearest image of a set: candidates by small pictures and features, then rigid alignment."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.spatial.distance import cdist
from skimage.transform import resize

from factory.evaluation.image_set import ImageSet, Volume
from factory.evaluation.parallel import SERIAL, Workers
from factory.evaluation.volume_distribution import BRIGHTEST, slices_of
from factory.families.feature_extractors import extractor_of
from factory.imaging.boxes import tissue_slices
from factory.imaging.orientations import AXES, cut
from factory.metrics.alignment import aligned

CANDIDATES = 3
"""Of each image by small pictures, and one more by features, which are then aligned."""

SMALL = {2: 24, 3: 16}
WORKING = {2: 128, 3: 48}
"""Pixels a side of small pictures and, at the most, of aligned ones, by dimensions."""

SLICES = 4
"""Of a volume and direction, whose mean features are the volume's."""

FEATURE_SIDE = 64
"""Pixels a side, at the most, of what features are taken of: they tell whom an image resembles,
not how fine it is."""


@dataclass(frozen=True)
class Gallery:
    """images: float16 (N, side…), 1 the 99.5th percentile. small: (N, …) with mean 0 and norm 1.
    features: (N, F). ids, owners: of each; held_out: bool alike."""

    ids: list[str]
    owners: np.ndarray
    held_out: np.ndarray
    images: np.ndarray
    small: np.ndarray
    features: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def of(self, chosen: np.ndarray) -> "Gallery":
        """Those of a mask or of indices."""
        ids = [self.ids[i] for i in np.arange(len(self))[chosen]]
        arrays = (self.owners, self.held_out, self.images, self.small, self.features)
        return Gallery(ids, *(a[chosen] for a in arrays))


@dataclass(frozen=True)
class Nearest:
    """Of each query: the index of its nearest image by pixels after alignment, how far it is, and
    whether the query was mirrored; and the same by features."""

    pixels: np.ndarray
    distance: np.ndarray
    mirrored: np.ndarray
    by_features: np.ndarray
    feature_distance: np.ndarray


@dataclass(frozen=True)
class Exhibit:
    """What is kept of a volume, or of its slices: see Gallery."""

    ids: list[str]
    owner: str
    images: np.ndarray
    small: np.ndarray
    features: np.ndarray


def gallery(
    images: ImageSet, flat: bool, side: int, extractor: str | None, crew: Workers = SERIAL
) -> Gallery:
    """A set made ready: every volume, or where flat every slice that holds tissue. extractor: its
    name."""
    make = partial(exhibitor, flat, side, extractor)
    all_of_it = list(images.map(make, crew, f"looking at {images.name}"))
    ids = [name for exhibit in all_of_it for name in exhibit.ids]
    owners = np.array([exhibit.owner for exhibit in all_of_it for _ in exhibit.ids])
    held = np.array([owner in images.held_out for owner in owners], bool)
    kept = [[getattr(e, name) for e in all_of_it] for name in ("images", "small", "features")]
    return Gallery(ids, owners, held, *(np.concatenate(arrays) for arrays in kept))


def exhibitor(flat: bool, side: int, extractor: str | None) -> Callable[[Volume], Exhibit]:
    """What makes a volume ready."""
    extract = extractor_of(extractor)

    def exhibit(volume: Volume) -> Exhibit:
        if flat:
            planes = slices_of(volume, "axial", side, 10**9)
            pictures = list((planes[:, 0] + 1) * (BRIGHTEST / 2))
            features = extract(small_planes(planes))
        else:
            cuts = [small_planes(slices_of(volume, o, side, SLICES)) for o in AXES]
            features = np.concatenate([extract(planes).mean(0) for planes in cuts])[None]
            box = tissue_slices(volume.inside) if volume.inside.any() else ()
            middles = [(s.start + s.stop) // 2 for s in box] or [n // 2 for n in volume.image.shape]
            frame = tuple(slice(m - side // 2, m - side // 2 + side) for m in middles)
            pictures = [cut(volume.image, frame)]
        many = len(pictures) > 1
        ids = [f"{volume.id}, slice {i}" if many else volume.id for i in range(len(pictures))]
        working = np.stack([shrunk(p, WORKING[p.ndim]).astype(np.float16) for p in pictures])
        small = np.stack([thumbnail(p.astype(np.float32)) for p in working])
        return Exhibit(ids, volume.owner, working, small, features)

    return exhibit


def shrunk(image: np.ndarray, side: int) -> np.ndarray:
    if image.shape[0] <= side:
        return image.astype(np.float32)
    return resize(image.astype(np.float32), (side,) * image.ndim, order=1, anti_aliasing=True)


def small_planes(planes_N1HW: np.ndarray) -> np.ndarray:
    return np.stack([shrunk(plane[0], FEATURE_SIDE)[None] for plane in planes_N1HW])


def thumbnail(image: np.ndarray) -> np.ndarray:
    small = shrunk(image, SMALL[image.ndim])
    small = small - small.mean()
    return (small / max(float(np.linalg.norm(small)), 1e-6)).astype(np.float32)


def nearest(queries: Gallery, among: Gallery, others_only: bool = False) -> Nearest:
    """Each query's nearest, as it lies and mirrored left to right; others_only: of another owner.

    Where others_only leaves nothing, the distances are NaN.
    """
    count = len(queries)
    pixels, by_features = np.zeros(count, int), np.zeros(count, int)
    far, feature_far = np.full(count, np.nan), np.full(count, np.nan)
    mirrored = np.zeros(count, bool)
    flat_small = among.small.reshape(len(among), -1)
    for i in range(count):
        allowed = among.owners != queries.owners[i] if others_only else np.ones(len(among), bool)
        if not allowed.any():
            continue
        alike = flat_small @ np.stack(
            [queries.small[i].ravel(), queries.small[i][..., ::-1].ravel()], axis=1
        )
        apart = cdist(queries.features[i : i + 1], among.features)[0]
        alike[~allowed], apart[~allowed] = -np.inf, np.inf
        by_features[i], feature_far[i] = apart.argmin(), apart.min()
        best = np.argsort(-alike, axis=None)[:CANDIDATES]
        pairs = [divmod(int(b), 2) for b in best if np.isfinite(alike.ravel()[b])]
        pairs.append((int(by_features[i]), int(alike[by_features[i]].argmax())))
        scored = {}
        for j, flip in dict.fromkeys(pairs):
            scored[j, flip] = onto(queries.images[i], among.images[j], bool(flip))[1]
        (pixels[i], mirrored[i]), far[i] = min(scored.items(), key=lambda each: each[1])
    return Nearest(pixels, far, mirrored, by_features, feature_far)


def onto(query: np.ndarray, image: np.ndarray, flip: bool) -> tuple[np.ndarray, float]:
    """A query aligned with an image, mirrored first where asked, and their distance."""
    moving = query[..., ::-1] if flip else query
    return aligned(np.ascontiguousarray(moving, np.float32), np.asarray(image, np.float32))
