"""Images of one channel, [z, y, x], or of several named ones, [channel, z, y, x].

An image has an axis of channels exactly where its channels have names.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from factory.storage.subjects.types import Subject

CHANNEL_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
"""What a channel may be called."""


def list_channels(image: np.ndarray) -> list[np.ndarray]:
    """Return the channels of an image, each [z, y, x]."""
    return [image] if image.ndim == 3 else list(image)


def map_channels(change: Callable[[np.ndarray], np.ndarray], image: np.ndarray) -> np.ndarray:
    """Return an image of which each channel [z, y, x] is changed."""
    return change(image) if image.ndim == 3 else np.stack([change(channel) for channel in image])


def first_channel(image: np.ndarray) -> np.ndarray:
    """Return the first channel [z, y, x] of an image, or the image if it has no channels."""
    return image if image.ndim == 3 else image[0]


def select_channels(
    image: np.ndarray, names: Sequence[str], selection: Sequence[str]
) -> np.ndarray:
    """Return some channels of an image [channel, z, y, x], in another order.

    Args:
        image: The image.
        names: The names of its channels.
        selection: Those of the result, all among `names`.
    """
    return image if names == selection else image[[names.index(name) for name in selection]]


def describe_channels(channels: Iterable[str]) -> str:
    """Return channels in words: "the channels t1w, t2w", or "one channel without a name"."""
    names = ", ".join(channels)
    return f"the channels {names}" if names else "one channel without a name"


def split_channels(subject: Subject) -> dict[str, Subject]:
    """Return a subject once for each channel of its image, each with that channel alone.

    Returns:
        The subjects by the names of the channels; "" for an image of one channel without a name.
    """
    if subject.image is None or not subject.channels:
        return {"": subject}
    return {
        name: replace(subject, image=channel, channels=())
        for name, channel in zip(subject.channels, subject.image, strict=True)
    }
