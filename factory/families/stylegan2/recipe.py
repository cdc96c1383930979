"""What the training recipe of StyleGAN2-ADA may say."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from factory.config.section import Section, allowed, one_of, problem
from factory.config.types import Rate, Text, Weight, Whole
from factory.training.recipe import Count, Millimetres, Training

GROUPS = ("blit", "geometry", "colour", "filter", "corruption")
"""Of augmentation: see factory.models.stylegan2.ada."""
TRANSFORMS = (
    "x_flip", "rotate_90", "shift", "scale", "rotate", "stretch", "fractional_shift",
    "brightness", "contrast", "luma_flip", "hue", "saturation",
    "band_1", "band_2", "band_3", "band_4", "noise", "cutout",
)  # fmt: skip
Share = Annotated[float, Field(ge=0, le=1), allowed("a number from 0 to 1")]
Sides = (8, 16, 32, 64, 128, 256, 512, 1024)
Resolution = Annotated[Literal[Sides], allowed("a power of two from 8 to 1024")]  # type: ignore[valid-type]


class ShortAxis(Section):
    """Short-axis stacks in the layout of the M&Ms challenge."""

    path: Text
    spacing_mm: Millimetres = 2.0
    participants: tuple[Text, ...] | None = None


class Pngs(Section):
    """A folder of PNGs, and one of label maps under the same names; names of the labels."""

    path: Text
    labels: Text | None = None
    label_names: tuple[Text, ...] | None = None


class NiftiSlices(Section):
    """Axial slices of volumes, by patterns with {subject}; names of the labels, 0 first."""

    path: Text
    images: Text
    labels: Text | None = None
    label_names: tuple[Text, ...] | None = None


class ChaosSlices(Section):
    """DICOM in the layout of the CHAOS challenge."""

    path: Text
    contrast: Text = "InPhase"


class Slices(Section):
    """Where slices come from, one source, and who is held out.

    paired, image: whether the label channels are learnt and the image's; without the image, SPADE
    is to paint what is drawn. mirror: the set and its mirror image (the abdominal work doubled its
    set so; wrong where a label means left or right). label_blur_pixels, label_scale: how soft the
    label channels are, and how large beside an image's [-1, 1]: as large as the image, they are so
    plain that the discriminator looks at nothing else.
    """

    short_axis: ShortAxis | None = None
    png: Pngs | None = None
    nifti: NiftiSlices | None = None
    chaos: ChaosSlices | None = None
    hold_out: tuple[Text, ...] = ()
    paired: bool = True
    image: bool = True
    mirror: bool = False
    label_blur_pixels: Annotated[float, Field(ge=0, le=8), allowed("0 to 8 pixels")] = 1.0
    label_scale: Annotated[float, Field(gt=0, le=1), allowed("above 0, at most 1")] = 0.25

    @model_validator(mode="after")
    def _one(self) -> "Slices":
        given = [n for n in ("short_axis", "png", "nifti", "chaos") if getattr(self, n) is not None]
        if len(given) != 1:
            raise problem(f"{len(given)} sources; allowed: one of short_axis, png, nifti, chaos")
        if not (self.image or self.paired):
            raise problem("value false; nothing would be learnt; allowed: true", at=("image",))
        return self


class StyleGanModel(Section):
    """See factory.models.stylegan2.network.StyleGanConfig."""

    latent: Count = 512
    mapping_layers: Annotated[int, Field(ge=1, le=16), allowed("1 to 16")] = 8
    base: Count = 16384
    most: Count = 512


class Augmentation(Section):
    """ADA: which groups of transforms, which of them not, and how p is steered. fixed: a p that
    stays; target: of r_t; kimg: over how many thousand images p would rise from 0 to 1."""

    groups: tuple[Annotated[Literal[GROUPS], one_of(GROUPS)], ...] = ("blit", "geometry")  # type: ignore[valid-type]
    without: tuple[Annotated[Literal[TRANSFORMS], one_of(TRANSFORMS)], ...] = ()  # type: ignore[valid-type]
    target: Share = 0.6
    kimg: Annotated[float, Field(gt=0), allowed("a number above 0")] = 500.0
    fixed: Share | None = None


class StyleGanLoss(Section):
    """r1: γ, null for 0.0002 · resolution² / batch. Regularisations are lazy: every so many
    steps. mixing: the chance of two styles in one image."""

    r1: Weight | None = None
    r1_every: Count = 16
    path_length: Weight = 2.0
    path_length_every: Count = 4
    mixing: Share = 0.9


class Metrics(Section):
    """Precision, recall, FID and KID of every snapshot, on so many generated slices from a seed
    of their own. extractor: see factory.families.feature_extractors; figures of two cannot be
    compared."""

    samples: Annotated[int, Field(ge=16, le=100_000), allowed("16 to 100000")] = 2000
    seed: Whole = 0
    extractor: Text | None = None


class StyleGanTraining(Training):
    """`factory train` for StyleGAN2-ADA. Lengths are counted in kimg, thousands of real images
    shown to the discriminator. log_every, sample_every and checkpoint_every are steps.

    ema_kimg: half-life of the averaged weights. snapshot_kimg: how often a model is written and
    judged; the best by each metric are kept.
    start: a model folder to go on from (transfer), whose widths must be the same.
    """

    family: Annotated[Literal["stylegan2"], one_of(("stylegan2",))]
    slices: Slices
    resolution: Resolution
    model: StyleGanModel = StyleGanModel()
    augmentation: Augmentation = Augmentation()
    loss: StyleGanLoss = StyleGanLoss()
    metrics: Metrics = Metrics()
    learning_rate: Rate = 0.0025
    kimg: Annotated[float, Field(gt=0), allowed("a number above 0")] = 25000.0
    ema_kimg: Weight | None = None
    snapshot_kimg: Annotated[float, Field(gt=0), allowed("a number above 0")] = 40.0
    start: Text | None = None
