"""The section `appearance.contrast` of a recipe."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Discriminator, Field, Tag, model_validator

from factory.config.loading import load_document
from factory.config.parameters import Number, Option
from factory.config.section import Section, allowed, one_of, problem
from factory.config.types import LabelName, LabelValue, Share, Text
from factory.errors import RecipeError
from factory.families.contrast.presets import HOUNSFIELD_UNITS, PRESETS, is_hounsfield
from factory.lookup import contrast_files
from factory.storage.errors import SubjectError
from factory.storage.nearest_name import nearest_name_hint
from factory.text import join_names

PLANE_NAMES = ("axial", "coronal", "sagittal")

Brightness = Annotated[
    float,
    Field(ge=-1024, le=3071),
    allowed("a brightness, 0 dark to 1 bright, or Hounsfield units, -1024 to 3071"),
]
BrightnessSpread = Annotated[
    float, Field(ge=0, le=1000), allowed("a spread of brightness of 0 or more")
]
BlurWidth = Annotated[float, Field(ge=0, le=10), allowed("0 to 10 mm")]
SliceThickness = Annotated[float, Field(ge=0, le=20), allowed("0 to 20 mm")]
TextureScale = Annotated[float, Field(ge=0, le=100), allowed("0 to 100 mm")]
Power = Annotated[float, Field(ge=0.25, le=4), allowed("0.25 to 4")]
LayerCount = Annotated[int, Field(ge=2, le=6), allowed("a whole number from 2 to 6")]

RANDOM_LOOK: dict[str, Any] = {
    "blur_mm": {"uniform": (0.0, 1.5)},
    "gamma": {"lognormal": {"median": 1.0, "spread": 1.3, "min": 0.5, "max": 2.0}},
}
"""What the preset `random` draws where the recipe does not say it."""


class LabelLook(Section):
    """The brightness of one label: its mean, and its spread inside the label."""

    mean: Number[Brightness] | None = None
    sd: Number[BrightnessSpread] | None = None

    @model_validator(mode="after")
    def _not_empty(self) -> "LabelLook":
        if self.mean is None and self.sd is None:
            raise problem("allowed: at least one of mean, sd")
        return self


class Layers(Section):
    """Layers of different brightness within one label.

    Attributes:
        count: The number of layers.
        by: "depth" below the label's surface, or "image": a mixture fitted to the subject's image.
        spread: The spread of the layers' means about the label's mean, as a share of it.
        from_label: With to_label, depth is measured from this label's surface to the other's.
        to_label: See from_label.
    """

    count: LayerCount
    by: Annotated[str, one_of(("depth", "image"))] = "depth"
    spread: Number[Share] = 0.15
    from_label: LabelName | None = None
    to_label: LabelName | None = None

    @model_validator(mode="after")
    def _check_surfaces(self) -> "Layers":
        if (self.from_label is None) != (self.to_label is None):
            raise problem("allowed: both from_label and to_label, or none of them")
        if self.from_label and self.by == "image":
            raise problem("value image; allowed with from_label: depth", at=("by",))
        if self.from_label and self.from_label == self.to_label:
            text = "value {value}; from_label has it; allowed: another label"
            raise problem(text, self.to_label, at=("to_label",))
        return self


class FittedLabel(Section):
    """The brightness of one label in real images, as `factory contrast fit` measures it.

    Attributes:
        mean: The mean over people of the label's mean brightness.
        mean_spread: The standard deviation of the label's mean between people.
        sd: The mean over people of the standard deviation inside the label.
        sd_spread: The standard deviation of that between people.
    """

    mean: Brightness
    mean_spread: BrightnessSpread
    sd: BrightnessSpread
    sd_spread: BrightnessSpread


class Fitted(Section):
    """The contrast of real images.

    Attributes:
        source: The images that it was fitted to, in words.
        people: Their number.
        units: "hounsfield" for Hounsfield units; None for brightness, 0 dark to 1 bright.
        labels: What was measured of each label.
        correlation: Between the means of the labels, in their order; None for independent ones.
    """

    source: Text = "a file"
    people: Annotated[int, Field(ge=1)] = 1
    units: Annotated[str, one_of((HOUNSFIELD_UNITS,))] | None = None
    labels: dict[LabelName, FittedLabel]
    correlation: tuple[tuple[float, ...], ...] | None = None

    @model_validator(mode="after")
    def _check_correlation(self) -> "Fitted":
        count = len(self.labels)
        rows = self.correlation
        if rows is not None and [len(row) for row in rows] != [count] * count:
            words = f"{count} rows of {count} numbers, in the order of labels"
            raise problem(f"allowed: {words}", at=("correlation",))
        return self


class Like(Section):
    """Real images with label maps, that a contrast is fitted to.

    Attributes:
        path: Their folder.
        labels: The pattern of label maps, with {subject}.
        images: The pattern of images, with {subject}.
        mapping: A label mapping as in `subjects.nifti`.
        others: What a value becomes that the mapping lacks.
    """

    path: Text
    labels: Text
    images: Text
    mapping: Annotated[
        Annotated[dict[LabelValue, LabelName], Tag("<values>")] | Annotated[Text, Tag("<name>")],
        Discriminator(lambda value: "<values>" if isinstance(value, dict) else "<name>"),
    ] = "feta"
    others: LabelName | None = None


RecipeFitted = Annotated[
    Annotated[Fitted, Tag("<values>")] | Annotated[Text, Tag("<file>")],
    Discriminator(lambda value: "<file>" if isinstance(value, str) else "<values>"),
]
"""What `factory contrast fit` writes: its file, the name of a shipped one, or its content."""


class Channel(Section):
    """The contrast of one channel of an image with several.

    Attributes:
        preset: The contrast of every label, before `fitted` and `labels` say otherwise.
        fitted: The contrast of real images: a file, or its content.
        like: Real images that the contrast is fitted to when the recipe is read.
        labels: The brightness of single labels.
    """

    preset: Annotated[str, one_of(PRESETS)] | None = None
    fitted: RecipeFitted | None = None
    like: Like | None = None
    labels: dict[LabelName, LabelLook] | None = None

    @model_validator(mode="after")
    def _read_fitted(self) -> Self:
        """Replace the name of a file, or `like`, by what was fitted."""
        if self.like and self.fitted:
            raise problem("allowed: one of fitted, like", at=("like",))
        fitted: RecipeFitted | None = self.fitted
        if self.like:
            fitted = _fit_like(self.like)
        elif isinstance(fitted, str):
            fitted = _read_fitted_file(fitted)
        if isinstance(fitted, Fitted) and self.preset:
            _check_preset_beside(self.preset, fitted)
        if fitted is self.fitted:
            return self
        return self.model_copy(update={"fitted": fitted, "like": None})

    @property
    def base(self) -> str | None:
        """The preset of the labels that neither `fitted` nor `labels` gives; None for none."""
        return self.preset or (None if self.fitted else "random")

    @property
    def fitted_units(self) -> str | None:
        """The units of what was fitted; None for brightness, or where nothing was fitted."""
        return self.fitted.units if isinstance(self.fitted, Fitted) else None


class Contrast(Channel):
    """How label maps are painted without a network.

    Attributes:
        classes: Labels that look alike, by the name of their class. Left and right sides do.
        layers: Layers within labels.
        texture: What labels look like inside: "noise", the default, or "image": the deviations of
            the subject's own image from the mean of each label, carried along by the edits.
        texture_scales_mm: Correlation lengths of the noise.
        partial_volume: Whether voxels at borders mix the tissues of both sides.
        blur_mm: The full width at half maximum of the blur.
        slice_mm: The thickness of the slices; 0 for none.
        plane: The plane of the slices.
        gamma: The power that brightness is raised to.
        channels: Several images of one anatomy, by name, each with a contrast of its own.
    """

    classes: dict[LabelName, tuple[LabelName, ...]] | None = None
    layers: dict[LabelName, Layers] | None = None
    texture: Annotated[str, one_of(("noise", "image"))] | None = None
    texture_scales_mm: tuple[TextureScale, ...] = (0.0, 4.0)
    partial_volume: bool = True
    blur_mm: Number[BlurWidth] = 0.0
    slice_mm: Number[SliceThickness] = 0.0
    plane: Option[Annotated[str, one_of(PLANE_NAMES)]] = "axial"
    gamma: Number[Power] = 1.0
    channels: dict[LabelName, Channel] | None = None

    @model_validator(mode="before")
    @classmethod
    def _draw_random_look(cls, data: Any) -> Any:  # whatever the YAML file holds
        if isinstance(data, Mapping) and _is_random(data):
            return {**RANDOM_LOOK, **data}
        return data

    @model_validator(mode="after")
    def _check_classes(self) -> "Contrast":
        class_of: dict[str, str] = {}
        for name, members in (self.classes or {}).items():
            for index, label in enumerate(members):
                if class_of.setdefault(label, name) != name:
                    text = "value {value}; the class {other} has it; allowed: in one class"
                    at = ("classes", name, index)
                    raise problem(text, label, at=at, other=class_of[label])
        return self

    @model_validator(mode="after")
    def _check_channels(self) -> "Contrast":
        if self.channels is None:
            return self._check_units([()], [self])
        if not self.channels:
            raise problem("value {{}}; allowed: a name and a contrast each", at=("channels",))
        for key in ("preset", "fitted", "like", "labels"):
            if getattr(self, key) is not None:
                raise problem("allowed: in each of the channels, where there are some", at=(key,))
        places = [("channels", name) for name in self.channels]
        return self._check_units(places, list(self.channels.values()))

    def _check_units(
        self, places: Sequence[tuple[str, ...]], channels: Sequence[Channel]
    ) -> "Contrast":
        """Check that Hounsfield units stand alone: no power of them, no other units beside."""
        hounsfield = [is_hounsfield(channel.base, channel.fitted_units) for channel in channels]
        if any(hounsfield) and self.gamma != 1:
            raise problem("allowed with Hounsfield units: 1", at=("gamma",))
        if any(hounsfield) and not all(hounsfield):
            index = hounsfield.index(True)
            key = "fitted" if channels[index].fitted else "preset"
            what = "Hounsfield units" if channels[index].fitted else "value ct"
            raise problem(
                "{what}; allowed beside {others}: in a dataset alone",
                at=(*places[index], key),
                what=what,
                others=_brightness_presets(),
            )
        return self

    def named_labels(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Yield every label that the section names, with the path of the key in the section."""
        for name, members in (self.classes or {}).items():
            yield from ((("classes", name, index), label) for index, label in enumerate(members))
        for name, layers in (self.layers or {}).items():
            yield ("layers", name), name
            for key in ("from_label", "to_label"):
                if label := getattr(layers, key):
                    yield ("layers", name, key), label
        yield from ((("labels", label), label) for label in self.labels or ())
        for name, channel in (self.channels or {}).items():
            yield from (
                (("channels", name, "labels", label), label) for label in channel.labels or ()
            )

    @property
    def is_hounsfield(self) -> bool:
        """Whether images are in Hounsfield units."""
        channels = self.all_channels()
        return any(is_hounsfield(channel.base, channel.fitted_units) for channel in channels)

    def all_channels(self) -> Sequence[Channel]:
        """Return the contrasts of the channels; of an image without channels the section itself."""
        return list((self.channels or {}).values()) or [self]

    @property
    def channel_names(self) -> tuple[str, ...]:
        """The names of the channels; () for an image without channels."""
        return tuple(self.channels or ())


def _is_random(data: Mapping[str, Any]) -> bool:
    """Return whether a plain section leaves the contrast to the preset `random`."""
    if data.get("channels") or data.get("fitted") or data.get("like"):
        return False
    return bool(data.get("preset", "random") == "random")


def _brightness_presets() -> str:
    """Return the presets that are not in Hounsfield units, in words."""
    return join_names(name for name in PRESETS if not is_hounsfield(name, None))


def _check_preset_beside(preset: str, fitted: Fitted) -> None:
    """Check that a preset has the units of what was fitted."""
    in_hounsfield = is_hounsfield(None, fitted.units)
    if is_hounsfield(preset, None) != in_hounsfield:
        text = "value {preset}; allowed beside a contrast that is fitted in {units}: {presets}"
        units = "Hounsfield units" if in_hounsfield else "brightness"
        presets = "ct" if in_hounsfield else _brightness_presets()
        raise problem(text, at=("preset",), preset=preset, units=units, presets=presets)


def _fit_like(like: Like) -> Fitted:
    """Fit a contrast to the images of a section `like`."""
    from factory.families.contrast.fit import fit_folder

    mapping = like.mapping if isinstance(like.mapping, str) else dict(like.mapping)
    try:
        fitted = fit_folder(like.path, like.labels, like.images, mapping, like.others)
    except SubjectError as error:
        raise problem("{reason}", at=("like",), reason=str(error)) from None
    return Fitted.model_validate(fitted)


def _read_fitted_file(name: str) -> Fitted:
    """Read what `factory contrast fit` wrote: a shipped file by its name, or any other."""
    file = contrast_files().get(name, Path(name))
    if not (name.endswith(".yaml") or name in contrast_files()) or not file.is_file():
        names = sorted(contrast_files())
        words = join_names((*names, "a .yaml file of `factory contrast fit`"))
        hint = nearest_name_hint(name, names)
        what = "not a .yaml file" if file.is_file() else "no such file"
        text = "value {value}; {what}; allowed: {words}{hint}"
        raise problem(text, name, at=("fitted",), what=what, words=words, hint=hint)
    try:
        return load_document(file, Fitted).spec
    except RecipeError as error:
        raise problem("{reason}", at=("fitted",), reason=str(error)) from None


RecipeContrast = Annotated[
    Annotated[Contrast, Tag("<section>")] | Annotated[Text, Tag("<name>")],
    Discriminator(lambda value: "<section>" if isinstance(value, dict | Section) else "<name>"),
]
"""The section in full, or only the name of a preset or of a fitted contrast."""


class ContrastAppearance(Section):
    """An appearance without a network: a contrast for every label."""

    contrast: RecipeContrast

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """Replace the name of a preset or a file by the section that it stands for."""
        name = self.contrast
        if not isinstance(name, str):
            return self
        if name in PRESETS:
            return self.model_copy(update={"contrast": Contrast.model_validate({"preset": name})})
        if name not in contrast_files() and not name.endswith(".yaml"):
            names = sorted((*PRESETS, *contrast_files()))
            hint = nearest_name_hint(name, names)
            words = join_names((*names, "a .yaml file", "a mapping"))
            text = "value {value}; allowed: {words}{hint}"
            raise problem(text, name, at=("contrast",), words=words, hint=hint)
        fitted = _read_fitted_file(name)
        return self.model_copy(update={"contrast": Contrast(fitted=fitted)})

    @property
    def section(self) -> Contrast:
        """The complete section."""
        assert isinstance(self.contrast, Contrast)
        return self.contrast
