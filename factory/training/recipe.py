"""The parts of a training recipe that all families share."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from factory.config.section import Section, allowed, one_of, problem
from factory.config.subject_files import RecipeMapping, check_channel_names, check_patterns
from factory.config.types import ChannelName, Decay, LabelName, Rate, Text, Weight

TrainingImages = Annotated[
    Annotated[dict[ChannelName, Text], Tag("<channels>")]
    | Annotated[tuple[ChannelName, ...], Tag("<suffixes>")]
    | Annotated[Text, Tag("<one>")],
    Discriminator(
        lambda value: (
            "<channels>"
            if isinstance(value, dict)
            else "<suffixes>"
            if isinstance(value, list | tuple)
            else "<one>"
        )
    ),
]
"""The images of training subjects: a pattern, one for each channel, or suffixes of BIDS."""

LAYOUTS = ("bids", "short_axis", "nifti")
"""How the files of training subjects may be arranged."""

IMAGES_BY_LAYOUT = {
    "bids": "a list of suffixes of files, e.g. [T1w, T2w]",
    "nifti": "a file name with {subject} in it, or one for each channel",
    "short_axis": "none",
}
"""What a training recipe may say of images."""

Count = Annotated[int, Field(ge=1), allowed("a whole number, 1 or more")]
Millimetres = Annotated[float, Field(gt=0, le=20), allowed("a number of mm above 0, at most 20")]


class TrainingSubjects(Section):
    """Pairs of images and label maps, and which of them are never trained on.

    The label table of the training is what occurs in the subjects, held out or not, by name.

    Attributes:
        path: The folder of the data set.
        layout: How its files are arranged. `nifti` is any folder of .nii.gz.
        labels: In the layout nifti, the label files: a path with {subject} in it.
        images: In the layout nifti, the images: a path with {subject} in it, or one for each
            channel by its name. In the layout bids, the suffixes of the images' channels; without
            them, the T2w or else the T1w is the image.
        rec: Which reconstruction of a BIDS data set is used.
        mapping: How the files' label values become names: a named mapping, a file with a table of
            labels, or {value: name}. Without it, a BIDS data set's dseg.tsv says so.
        others: The name of the label of all values that the mapping lacks.
        mirror: Whether half of the training slices are mirrored left to right, their left and right
            labels swapped. By default they are where all labels are tissues of FETA.
        hold_out: Ids that are never trained on. In stacks they name persons, all of whose cardiac
            phases are held out together.
        spacing_mm: Every volume is used for training at each of these voxel sizes (in stacks: in
            plane).
    """

    path: Text
    layout: Annotated[Literal[LAYOUTS], one_of(LAYOUTS)] = "bids"  # type: ignore[valid-type]
    labels: Text | None = None
    images: TrainingImages | None = None
    rec: Text | None = None
    mapping: RecipeMapping | None = None
    others: LabelName | None = None
    mirror: bool | None = None
    hold_out: tuple[Text, ...] = ()
    spacing_mm: Annotated[tuple[Millimetres, ...], Field(min_length=1), allowed("a list of mm")] = (
        1.0,
    )

    @model_validator(mode="after")
    def _check_layout(self) -> "TrainingSubjects":
        """Refuse keys of another layout, and patterns without {subject}."""
        images, layout = self.images, self.layout
        if layout != "nifti" and self.labels is not None:
            raise problem("value given; allowed: with layout: nifti", at=("labels",))
        fits = {"bids": isinstance(images, tuple), "nifti": isinstance(images, str | dict)}
        if images is not None and not fits.get(layout):
            words = IMAGES_BY_LAYOUT[layout]
            raise problem("value {value}; allowed: {words}", images, at=("images",), words=words)
        if layout == "short_axis" and self.mirror:
            raise problem("value true; a heart has sides; allowed: false", at=("mirror",))
        if isinstance(images, tuple):
            check_channel_names(images, ("images",))
        if layout == "nifti":
            for key in ("labels", "mapping"):
                if getattr(self, key) is None:
                    raise problem("missing; the layout nifti requires this key", at=(key,))
            check_patterns(str(self.labels), None if isinstance(images, tuple) else images)
        return self


class Optimiser(Section):
    """Adam, with a learning rate each for generator and discriminator."""

    lr_generator: Rate = 1e-4
    lr_discriminator: Rate = 4e-4
    beta1: Decay = 0.0
    beta2: Decay = 0.9


class Training(Section):
    """The keys of every training recipe.

    Attributes:
        family: The model family.
        name: The name of the model, in its card and in render recipes.
        seed: Seed of the initial weights and of the batches.
        licence: The licence of the model, for its card.
        batch: Samples of a step, over all workers together.
        mixed_precision: Whether convolutions compute in bfloat16.
        workers: Number of workers that share a batch.
        threads: Number of threads of each worker.
        device: Where the workers compute.
        log_every: Steps between two rows of losses.csv.
        sample_every: Steps between two sample grids.
        checkpoint_every: Steps between two checkpoints.
        output: The folder of the run and of the model.
    """

    family: str
    name: Text
    seed: Annotated[int, Field(ge=0, lt=2**31), allowed("a whole number from 0 to 2147483647")]
    licence: Text
    batch: Count = 1
    mixed_precision: bool = False
    workers: Count = 1
    threads: Count = 1
    device: Annotated[Literal["auto", "cpu", "cuda"], one_of(("auto", "cpu", "cuda"))] = "auto"
    log_every: Count = 50
    sample_every: Count = 500
    checkpoint_every: Count = 250
    output: Text


class Augment(Section):
    """The largest random rotation, zoom and shift in the plane, each uniform in both directions."""

    rotate_degrees: Annotated[float, Field(ge=0, le=180), allowed("0 to 180 degrees")] = 0.0
    zoom: Annotated[float, Field(ge=0, lt=1), allowed("a number from 0 to below 1")] = 0.0
    shift_voxels: Weight = 0.0
