"""The nearest image of a set: candidates by small pictures and features, then rigid alignment."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.spatial.distance import cdist
from skimage.transform import resize

from factory.evaluation.generated_images import BRIGHTEST
from factory.evaluation.image_set import ImageSet, Volume
from factory.evaluation.parallel import SERIAL, Workers
from factory.evaluation.volume_distribution import ALL_SLICES, cut_slices
from factory.families.feature_extractors import Extractor, find_extractor
from factory.imaging.boxes import bounding_box
from factory.imaging.orientations import AXES, cut
from factory.metrics.alignment import align

CANDIDATES = 3
"""Candidates by small pictures, beside one by features; only candidates are aligned."""

SMALL_SIDE = {2: 24, 3: 16}
WORKING_SIDE = {2: 128, 3: 48}
"""Voxels a side of small pictures, and most voxels a side of aligned ones, by dimensions."""

SLICES = 4
"""Slices of a volume and direction whose mean features stand for the volume."""

FEATURE_SIDE = 64
"""Most pixels a side of the slices that features are taken of.

Features serve to find which person an image resembles, for which fine detail is not needed.
"""


@dataclass(frozen=True)
class Gallery:
    """A set of images, prepared for the search.

    Attributes:
        ids: The images' names.
        owners: The person that each image shows.
        held_out: bool [image], whether its owner is held out.
        images: float16 [image, …], 1 is the 99.5th percentile.
        small: Small pictures float32 [image, …], each of mean 0 and norm 1.
        features: float [image, feature].
    """

    ids: list[str]
    owners: np.ndarray
    held_out: np.ndarray
    images: np.ndarray
    small: np.ndarray
    features: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, indices: np.ndarray) -> "Gallery":
        """Return the images of a mask or of indices."""
        ids = [self.ids[i] for i in np.arange(len(self))[indices]]
        arrays = (self.owners, self.held_out, self.images, self.small, self.features)
        return Gallery(ids, *(array[indices] for array in arrays))


@dataclass(frozen=True)
class Neighbours:
    """The nearest image of each query, by pixels and by features.

    Attributes:
        by_pixels: int [query], index of the nearest image by pixels after alignment.
        distance: Its distance; NaN if no image was allowed.
        mirrored: bool [query], whether the query was mirrored for it.
        by_features: int [query], index of the nearest image by features.
        feature_distance: Its distance; NaN if no image was allowed.
    """

    by_pixels: np.ndarray
    distance: np.ndarray
    mirrored: np.ndarray
    by_features: np.ndarray
    feature_distance: np.ndarray


@dataclass(frozen=True)
class PreparedVolume:
    """One volume, or its slices, prepared for the search; the attributes are those of Gallery."""

    ids: list[str]
    owner: str
    images: np.ndarray
    small: np.ndarray
    features: np.ndarray


def build_gallery(
    images: ImageSet, flat: bool, side: int, extractor: str | None, workers: Workers = SERIAL
) -> Gallery:
    """Prepare a set of images for the search.

    Args:
        images: The images.
        flat: Whether each slice that holds tissue is an image of its own; else each volume is one.
        side: Width of the frame that images are cut to, in voxels.
        extractor: Name of the extractor of features.
        workers: The processes that share the work.
    """
    make_work = partial(make_preparation, flat, side, extractor)
    volumes = list(images.map(make_work, workers, f"looking at {images.name}"))
    owners = np.array([volume.owner for volume in volumes for _ in volume.ids])
    return Gallery(
        ids=[name for volume in volumes for name in volume.ids],
        owners=owners,
        held_out=np.array([owner in images.held_out for owner in owners], bool),
        images=np.concatenate([volume.images for volume in volumes]),
        small=np.concatenate([volume.small for volume in volumes]),
        features=np.concatenate([volume.features for volume in volumes]),
    )


def make_preparation(
    flat: bool, side: int, extractor: str | None
) -> Callable[[Volume], PreparedVolume]:
    """Return a function that prepares one volume; the arguments are those of `build_gallery`."""
    extract = find_extractor(extractor)

    def prepare(volume: Volume) -> PreparedVolume:
        cut_up = _cut_planes if flat else _cut_volume
        images, features = cut_up(volume, side, extract)
        several = len(images) > 1
        ids = [f"{volume.id}, slice {i}" if several else volume.id for i in range(len(images))]
        working = np.stack(
            [shrink(image, WORKING_SIDE[image.ndim]).astype(np.float16) for image in images]
        )
        small = np.stack([make_thumbnail(image.astype(np.float32)) for image in working])
        return PreparedVolume(ids, volume.owner, working, small, features)

    return prepare


def _cut_planes(
    volume: Volume, side: int, extract: Extractor
) -> tuple[list[np.ndarray], np.ndarray]:
    """Return every slice that holds tissue, and their features [slice, feature]."""
    planes = cut_slices(volume, "axial", side, ALL_SLICES)
    return list((planes[:, 0] + 1) * (BRIGHTEST / 2)), extract(shrink_planes(planes))


def _cut_volume(
    volume: Volume, side: int, extract: Extractor
) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the volume in a cube about its tissue, and its mean features in each direction."""
    planes = [shrink_planes(cut_slices(volume, name, side, SLICES)) for name in AXES]
    features = np.concatenate([extract(images).mean(0) for images in planes])[None]
    box = bounding_box(volume.inside) if volume.inside.any() else ()
    centres = [(s.start + s.stop) // 2 for s in box] or [n // 2 for n in volume.image.shape]
    frame = tuple(slice(c - side // 2, c - side // 2 + side) for c in centres)
    return [cut(volume.image, frame)], features


def shrink(image: np.ndarray, side: int) -> np.ndarray:
    """Return an image with so many voxels a side, float32; a smaller one keeps its size."""
    if image.shape[0] <= side:
        return image.astype(np.float32)
    shape = (side,) * image.ndim
    return np.asarray(resize(image.astype(np.float32), shape, order=1, anti_aliasing=True))


def shrink_planes(planes_N1HW: np.ndarray) -> np.ndarray:
    """Return slices [slice, 1, row, column] with at most FEATURE_SIDE pixels a side."""
    return np.stack([shrink(plane[0], FEATURE_SIDE)[None] for plane in planes_N1HW])


def make_thumbnail(image: np.ndarray) -> np.ndarray:
    """Return a small picture of mean 0 and norm 1, whose products are correlations."""
    small = shrink(image, SMALL_SIDE[image.ndim])
    small = small - small.mean()
    return np.asarray(small / max(float(np.linalg.norm(small)), 1e-6), np.float32)


def find_nearest(queries: Gallery, images: Gallery, others_only: bool = False) -> Neighbours:
    """Find the nearest image of each query, which is tried as it is and mirrored left to right.

    Args:
        queries: The images to look for.
        images: The images that are searched.
        others_only: Whether only images of another owner than the query's are allowed.
    """
    count = len(queries)
    by_pixels, by_features = np.zeros(count, int), np.zeros(count, int)
    distance, feature_distance = np.full(count, np.nan), np.full(count, np.nan)
    mirrored = np.zeros(count, bool)
    small = images.small.reshape(len(images), -1)
    for i in range(count):
        allowed = images.owners != queries.owners[i] if others_only else np.ones(len(images), bool)
        if not allowed.any():
            continue
        # [image, as it is or mirrored]
        similarity = small @ np.stack(
            [queries.small[i].ravel(), queries.small[i][..., ::-1].ravel()], axis=1
        )
        between = cdist(queries.features[i : i + 1], images.features)[0]
        similarity[~allowed], between[~allowed] = -np.inf, np.inf
        by_features[i], feature_distance[i] = between.argmin(), between.min()
        best = np.argsort(-similarity, axis=None)[:CANDIDATES]
        pairs = [divmod(int(b), 2) for b in best if np.isfinite(similarity.ravel()[b])]
        pairs.append((int(by_features[i]), int(similarity[by_features[i]].argmax())))
        distances = {
            (j, flip): align_pair(queries.images[i], images.images[j], bool(flip))[1]
            for j, flip in dict.fromkeys(pairs)
        }
        (by_pixels[i], mirrored[i]), distance[i] = min(distances.items(), key=lambda item: item[1])
    return Neighbours(by_pixels, distance, mirrored, by_features, feature_distance)


def align_pair(query: np.ndarray, image: np.ndarray, flip: bool) -> tuple[np.ndarray, float]:
    """Align a query, mirrored first if `flip`, with an image; return it and their distance."""
    moving = query[..., ::-1] if flip else query
    return align(np.ascontiguousarray(moving, np.float32), np.asarray(image, np.float32))
