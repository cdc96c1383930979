"""The source `latents`: images and label maps that a StyleGAN2 draws from its latents.

How many there are is known without listing them. Their section is the recipe's key `latents`.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, TypedDict, cast

from pydantic import Discriminator, Field, Tag, model_validator

from factory.config.section import Section, allowed, problem
from factory.config.types import Count, Seed, Share, Text
from factory.imaging.types import Shape
from factory.seeding import derive_seed
from factory.storage.json_value import JsonObject
from factory.storage.subjects.records import Record
from factory.storage.subjects.types import Grid, LabelTable, Subject
from factory.subjects.source import Source
from factory.text import count_text

SIDES = (8, 16, 32, 64, 128, 256, 512, 1024)
Side = Annotated[Literal[SIDES], allowed("a power of two from 8 to 1024")]  # type: ignore[valid-type]
SeedList = Annotated[tuple[Seed, ...], Field(min_length=1), allowed("a list of whole numbers")]
Ends = Annotated[tuple[Seed, ...], Field(min_length=2), allowed("a list of two seeds or more")]
Seeds = Annotated[
    Annotated[SeedList, Tag("<list>")] | Annotated[Seed, Tag("<first>")],
    Discriminator(lambda value: "<list>" if isinstance(value, list | tuple) else "<first>"),
]


class Walk(Section):
    """A walk from the latent of each seed to that of the next.

    Each leg has `steps` steps; both of its ends are among the samples. The walk is linear in the
    styles w, or spherical in z.
    """

    between: Ends
    steps: Count = 8
    space: Annotated[Literal["w", "z"], allowed("w, z")] = "w"


class Mix(Section):
    """Styles of another latent from a resolution on (Karras et al. 2019, section 3.1).

    Every sample is drawn once with each seed of the list.
    """

    seeds: SeedList
    from_resolution: Side = 16


class DrawnLatents(Section):
    """Samples from the latents of a model.

    They are `count` samples, by seeds that follow from the recipe's seed or from the first of
    `seeds` on; or those of a list of seeds; or walks between some seeds. `truncation` is ψ, how far
    styles may lie from the mean style: 1 leaves them as drawn, 0 gives the mean itself.
    """

    model: Text
    count: Count | None = None
    seeds: Seeds | None = None
    truncation: Share = 1.0
    interpolate: Walk | None = None
    mix: Mix | None = None

    @model_validator(mode="after")
    def _check_choice(self) -> "DrawnLatents":
        listed = self.seeds if isinstance(self.seeds, tuple) else None
        if self.interpolate and (self.count or self.seeds is not None or self.mix):
            raise problem("interpolate beside count, seeds or mix; allowed: interpolate alone")
        if not self.interpolate and self.count is None and listed is None:
            raise problem("allowed: count, a list of seeds, or interpolate")
        if listed is not None and self.count not in (None, len(listed)):
            text = f"value {self.count}; {len(listed)} seeds are listed; allowed: {len(listed)}"
            raise problem(text, at=("count",))
        if listed is not None and len(set(listed)) < len(listed):
            raise problem("a seed comes twice; allowed: each once", at=("seeds",))
        return self


class LatentRecord(TypedDict):
    """A sample from the latents of a model, enough to draw it again.

    `to`, `t` and `space` describe a place on the way from the latent of `seed` to that of another
    seed, `mix` the seed and the resolution from which on its styles are taken.
    """

    source: Literal["latents"]
    model: str
    truncation: float
    to: int | None
    t: float
    space: Literal["w", "z"]
    mix: list[int] | None
    seed: int
    id: str


class LatentsSource(Source):
    """Slices that a StyleGAN2 draws, image and label map together."""

    name: ClassVar[str] = "latents"
    Section: ClassVar[type[Section]] = DrawnLatents
    key: ClassVar[str] = "latents"
    model_keys: ClassVar[tuple[str, ...]] = ("model",)
    kind: ClassVar[str] = "latents"
    is_listed: ClassVar[bool] = False
    is_drawn: ClassVar[bool] = True

    def count(self, section: DrawnLatents) -> int:
        """Return the number of samples: of seeds, times those of `mix`, or of a walk's steps."""
        if walk := section.interpolate:
            return (len(walk.between) - 1) * walk.steps + 1
        seeds = section.seeds
        latents = len(seeds) if isinstance(seeds, tuple) else int(section.count or 0)
        return latents * (len(section.mix.seeds) if section.mix else 1)

    def record(self, section: DrawnLatents, index: int, group: str, seed: int) -> Record:
        """Return the record at an index; see latent_record."""
        return latent_record(section, index, seed)

    def load(self, record: Record, spacing_mm: float | None, replicate: int = 0) -> Subject:
        """Draw one slice [1, y, x], whose pixels are spacing_mm wide and as thick."""
        from factory.families.stylegan2.inference import load_sampler

        assert spacing_mm is not None
        latent = cast(LatentRecord, record)
        sampler = load_sampler(latent["model"])
        image, label = sampler.draw(latent, replicate)
        grid = Grid.centred((1, *label.shape), (spacing_mm,) * 3)
        metadata = {"truncation": latent["truncation"], "latent_seed": latent["seed"]}
        channels = tuple(sampler.card.get("channels", ()))
        image = image[..., None, :, :]
        return Subject(latent["id"], label[None], grid, sampler.table, image, metadata, channels)

    def table(self, section: DrawnLatents) -> LabelTable:
        """Return the label table of the section's model."""
        from factory.families.stylegan2.inference import card_label_table, read_drawing_card

        return card_label_table(read_drawing_card(section.model))

    def shape(self, section: DrawnLatents, records: Sequence[Record], spacing_mm: float) -> Shape:
        """Return one plane of the model's resolution."""
        from factory.families.stylegan2.inference import read_drawing_card

        side = int(read_drawing_card(section.model)["config"]["resolution"])
        return 1, side, side

    def describe(self, section: JsonObject, total: int) -> str:
        """Say how many slices which model draws, and from which latents."""
        text = f"{count_text(total, 'slice')} drawn by {section['model']}"
        text += f", truncation {section['truncation']:g}"
        if walk := section.get("interpolate"):
            text += f", on the way {' to '.join(map(str, walk['between']))} in {walk['space']}"
        if mix := section.get("mix"):
            others = count_text(len(mix["seeds"]), "other")
            text += f", styles from {mix['from_resolution']}² on from {others}"
        return text + "."


SOURCE = LatentsSource()


def latent_record(section: DrawnLatents, index: int, seed: int) -> LatentRecord:
    """Return the record at an index.

    What a subject is depends on its id alone, so a larger count leaves the earlier ones as they
    are.

    Args:
        section: What to draw.
        index: Of the subject.
        seed: The recipe's.
    """
    if section.interpolate:
        return _walk_record(section, section.interpolate, index)
    index, other = divmod(index, len(section.mix.seeds) if section.mix else 1)
    if section.seeds is None:
        id = f"latent-{index:06d}"
        latent_seed = derive_seed(seed, id, "latent") % 2**53
    else:
        seeds = section.seeds
        latent_seed = seeds[index] if isinstance(seeds, tuple) else seeds + index
        id = f"latent-seed-{latent_seed}"
    mix = None
    if section.mix:
        mix = [section.mix.seeds[other], section.mix.from_resolution]
        id += f"-with-{section.mix.seeds[other]}"
    return {
        "source": "latents",
        "model": section.model,
        "truncation": section.truncation,
        "to": None,
        "t": 0.0,
        "space": "w",
        "mix": mix,
        "seed": latent_seed,
        "id": id,
    }


def _walk_record(section: DrawnLatents, walk: Walk, index: int) -> LatentRecord:
    """Return the record at an index of a walk from seed to seed."""
    leg = min(index // walk.steps, len(walk.between) - 2)
    step = index - leg * walk.steps
    first, last = walk.between[leg : leg + 2]
    return {
        "source": "latents",
        "model": section.model,
        "truncation": section.truncation,
        "to": last,
        "t": step / walk.steps,
        "space": walk.space,
        "mix": None,
        "seed": first,
        "id": f"latent-{first}-to-{last}-{step}of{walk.steps}",
    }
