"""The training recipe of StyleGAN2-ADA."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from factory.config.section import Section, allowed, one_of, problem
from factory.config.types import Rate, Text, Weight, Whole
from factory.training.recipe import Count, Millimetres, Training, TrainingSubjects

GROUPS = ("blit", "geometry", "colour", "filter", "corruption")
"""Groups of augmentations; see factory.models.stylegan2.ada."""

TRANSFORMS = (
    "x_flip", "rotate_90", "shift", "scale", "rotate", "stretch", "fractional_shift",
    "brightness", "contrast", "luma_flip", "hue", "saturation",
    "band_1", "band_2", "band_3", "band_4", "noise", "cutout",
)  # fmt: skip
"""The augmentations; see factory.models.stylegan2.ada."""

SOURCES = ("short_axis", "png", "nifti", "chaos", "subjects")
"""The sources of slices."""

Share = Annotated[float, Field(ge=0, le=1), allowed("a number from 0 to 1")]
Sides = (8, 16, 32, 64, 128, 256, 512, 1024)
Resolution = Annotated[Literal[Sides], allowed("a power of two from 8 to 1024")]  # type: ignore[valid-type]


class ShortAxis(Section):
    """Short-axis stacks in the layout of the M&Ms challenge.

    Attributes:
        path: The folder.
        spacing_mm: The width of a pixel.
        participants: Ids of the participants; by default all.
    """

    path: Text
    spacing_mm: Millimetres = 2.0
    participants: tuple[Text, ...] | None = None


class Pngs(Section):
    """A folder of PNGs.

    Attributes:
        path: The folder.
        labels: The folder of label maps, which have the names of their images.
        label_names: The names of the labels, the background first.
    """

    path: Text
    labels: Text | None = None
    label_names: tuple[Text, ...] | None = None


class NiftiSlices(Section):
    """Axial slices of NIfTI volumes.

    Attributes:
        path: The folder.
        images: The pattern of the images' paths, with {subject}.
        labels: The pattern of the label maps' paths, with {subject}.
        label_names: The names of the labels, the background first.
    """

    path: Text
    images: Text
    labels: Text | None = None
    label_names: tuple[Text, ...] | None = None


class ChaosSlices(Section):
    """DICOM in the layout of the CHAOS challenge.

    Attributes:
        path: The folder.
        contrast: The folder of the contrast.
    """

    path: Text
    contrast: Text = "InPhase"


class Slices(Section):
    """The slices to train on, from one source.

    Attributes:
        short_axis: Short-axis stacks.
        png: PNGs.
        nifti: NIfTI volumes.
        chaos: DICOM of the CHAOS challenge.
        subjects: Subjects as other families have them, of any label table, cut into axial slices.
            Channels of their images are channels of the slices.
        hold_out: Ids of subjects that are not trained on.
        paired: Whether the labels are trained on.
        image: Whether the image is trained on. If not, another model has to paint the label maps.
        mirror: Whether mirror images are added. Gonçalves et al. doubled their set in this way; it
            is wrong if a label means left or right.
        label_blur_pixels: How soft the label channels are.
        label_scale: How large the label channels are beside the image's [-1, 1]. If they were as
            large, the discriminator would look at nothing else.
    """

    short_axis: ShortAxis | None = None
    png: Pngs | None = None
    nifti: NiftiSlices | None = None
    chaos: ChaosSlices | None = None
    subjects: TrainingSubjects | None = None
    hold_out: tuple[Text, ...] = ()
    paired: bool = True
    image: bool = True
    mirror: bool = False
    label_blur_pixels: Annotated[float, Field(ge=0, le=8), allowed("0 to 8 pixels")] = 1.0
    label_scale: Annotated[float, Field(gt=0, le=1), allowed("above 0, at most 1")] = 0.25

    @model_validator(mode="after")
    def _check_source(self) -> "Slices":
        """Refuse several sources or none, and a training on neither images nor labels."""
        count = sum(getattr(self, name) is not None for name in SOURCES)
        if count != 1:
            raise problem(f"{count} sources; allowed: one of {', '.join(SOURCES)}")
        if self.subjects and self.subjects.hold_out:
            text = "value given; allowed: slices.hold_out instead"
            raise problem(text, at=("subjects", "hold_out"))
        if not (self.image or self.paired):
            raise problem("value false; nothing would be learnt; allowed: true", at=("image",))
        return self


class StyleGanModel(Section):
    """The networks; see factory.models.stylegan2.network.StyleGanConfig."""

    latent: Count = 512
    mapping_layers: Annotated[int, Field(ge=1, le=16), allowed("1 to 16")] = 8
    base: Count = 16384
    most: Count = 512


class Augmentation(Section):
    """Adaptive discriminator augmentation, whose probability p follows r_t.

    Attributes:
        groups: The groups of transforms.
        without: Transforms of these groups that are not used.
        target: The target of r_t.
        kimg: Thousands of images in which p could rise from 0 to 1.
        fixed: A constant p; by default p is adapted.
    """

    groups: tuple[Annotated[Literal[GROUPS], one_of(GROUPS)], ...] = ("blit", "geometry")  # type: ignore[valid-type]
    without: tuple[Annotated[Literal[TRANSFORMS], one_of(TRANSFORMS)], ...] = ()  # type: ignore[valid-type]
    target: Share = 0.6
    kimg: Annotated[float, Field(gt=0), allowed("a number above 0")] = 500.0
    fixed: Share | None = None


class StyleGanLoss(Section):
    """The losses; both regularisations are lazy.

    Attributes:
        r1: γ; by default 0.0002 · resolution² / batch.
        r1_every: Steps between two R1 penalties.
        path_length: The weight of the path length penalty.
        path_length_every: Steps between two path length penalties.
        mixing: The probability that an image mixes two styles.
    """

    r1: Weight | None = None
    r1_every: Count = 16
    path_length: Weight = 2.0
    path_length_every: Count = 4
    mixing: Share = 0.9


class Metrics(Section):
    """Precision, recall, FID and KID of each snapshot.

    Attributes:
        samples: Number of generated slices that are scored.
        seed: The seed of these slices.
        extractor: The extractor of features, see factory.families.feature_extractors. Scores from
            different extractors cannot be compared.
    """

    samples: Annotated[int, Field(ge=16, le=100_000), allowed("16 to 100000")] = 2000
    seed: Whole = 0
    extractor: Text | None = None


class StyleGanTraining(Training):
    """The training recipe of StyleGAN2-ADA.

    Lengths are counted in kimg, thousands of real images that the discriminator has seen; log_every
    and checkpoint_every are counted in steps. sample_every is not used, since each snapshot draws
    samples.

    Attributes:
        slices: The slices to train on.
        resolution: Pixels along a side.
        model: The networks.
        augmentation: The augmentation of what the discriminator sees.
        loss: The losses.
        metrics: The scores of the snapshots.
        learning_rate: The learning rate of Adam.
        kimg: The length of the training.
        ema_kimg: The half-life of the averaged weights.
        snapshot_kimg: The interval between two snapshots. The best by each score are kept.
        start: A model folder to start from (transfer learning), of the same configuration.
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
