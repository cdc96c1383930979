"""Subjects that a StyleGAN2 draws from its latents: image and labels together.

A record is plain JSON, and enough to make the subject again:
{"source": "latents", "id", "model", "truncation", "seed", "to" (seed or None), "t", "space",
"mix" ([seed, resolution] or None)}. How many there are is known without listing them. A recipe
asks for them by its key `latents`.
"""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from factory.config.section import Section, allowed, problem
from factory.config.types import Count, Seed, Share, Text
from factory.imaging.types import Shape
from factory.seeding import derive_seed
from factory.storage.subjects.types import Grid, LabelTable, Subject
from factory.subjects.source import Record, Source
from factory.text import count_text

SIDES = (8, 16, 32, 64, 128, 256, 512, 1024)
Side = Annotated[Literal[SIDES], allowed("a power of two from 8 to 1024")]  # type: ignore[valid-type]
Some = Annotated[tuple[Seed, ...], Field(min_length=1), allowed("a list of whole numbers")]
Ends = Annotated[tuple[Seed, ...], Field(min_length=2), allowed("a list of two seeds or more")]
Seeds = Annotated[
    Annotated[Some, Tag("<list>")] | Annotated[Seed, Tag("<first>")],
    Discriminator(lambda value: "<list>" if isinstance(value, list | tuple) else "<first>"),
]


class Walk(Section):
    """From the latent of each seed to that of the next in so many steps, both ends among the
    samples; linear in the styles w, or spherical in z."""

    between: Ends
    steps: Count = 8
    space: Annotated[Literal["w", "z"], allowed("w, z")] = "w"


class Mix(Section):
    """Styles of layers from a resolution on from another latent (Karras et al. 2019, section 3.1):
    each sample once with each seed of the list."""

    seeds: Some
    from_resolution: Side = 16


class DrawnLatents(Section):
    """Samples from the latents of a model: `count` of them, by seeds that follow from the
    recipe's, or from the first of `seeds` on; or those of a list of seeds; or walks between some.

    truncation: ψ, how far styles may lie from the mean one: 1 as drawn, 0 the mean itself.
    """

    model: Text
    count: Count | None = None
    seeds: Seeds | None = None
    truncation: Share = 1.0
    interpolate: Walk | None = None
    mix: Mix | None = None

    @model_validator(mode="after")
    def _ways(self) -> "DrawnLatents":
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


class LatentsSource(Source):
    name: ClassVar[str] = "latents"
    Section: ClassVar[type[Section]] = DrawnLatents
    key: ClassVar[str] = "latents"
    model_keys: ClassVar[tuple[str, ...]] = ("model",)
    kind: ClassVar[str] = "latents"
    is_listed: ClassVar[bool] = False
    is_drawn: ClassVar[bool] = True

    def count(self, section: DrawnLatents) -> int:
        if walk := section.interpolate:
            return (len(walk.between) - 1) * walk.steps + 1
        seeds = section.seeds
        latents = len(seeds) if isinstance(seeds, tuple) else int(section.count or 0)
        return latents * (len(section.mix.seeds) if section.mix else 1)

    def record(self, section: DrawnLatents, index: int, group: str, seed: int) -> Record:
        return latent_record(section, index, seed)

    def load(self, record: Record, spacing_mm: float | None, replicate: int = 0) -> Subject:
        """One slice [1, y, x] whose pixels are spacing_mm wide, and as thick."""
        from factory.families.stylegan2.inference import load_sampler

        assert spacing_mm is not None
        drawer = load_sampler(record["model"])
        image, label = drawer.draw(record, replicate)
        grid = Grid.centred((1, *label.shape), (spacing_mm,) * 3)
        about = {"truncation": record["truncation"], "latent_seed": record["seed"]}
        return Subject(record["id"], label[None], grid, drawer.table, image[None], about)

    def table(self, section: DrawnLatents) -> LabelTable:
        from factory.families.stylegan2.inference import drawing_card, table_of

        return table_of(drawing_card(section.model))

    def shape(self, section: Any, records: Sequence[Record], spacing_mm: float) -> Shape:
        from factory.families.stylegan2.inference import drawing_card

        side = int(drawing_card(section.model)["config"]["resolution"])
        return 1, side, side

    def describe(self, section: dict[str, Any], total: int) -> str:
        text = f"{count_text(total, 'slice')} drawn by {section['model']}"
        text += f", truncation {section['truncation']:g}"
        if walk := section.get("interpolate"):
            text += f", on the way {' to '.join(map(str, walk['between']))} in {walk['space']}"
        if mix := section.get("mix"):
            others = count_text(len(mix["seeds"]), "other")
            text += f", styles from {mix['from_resolution']}² on from {others}"
        return text + "."


SOURCE = LatentsSource()


def latent_record(part: DrawnLatents, index: int, seed: int) -> Record:
    """The subject at a position; seed: the recipe's. What it is depends on its id alone, so more
    of them leave it as it was."""
    common = {"source": "latents", "model": part.model, "truncation": part.truncation}
    alone: dict[str, Any] = {"to": None, "t": 0.0, "space": "w", "mix": None}
    if walk := part.interpolate:
        leg = min(index // walk.steps, len(walk.between) - 2)
        k = index - leg * walk.steps
        first, last = walk.between[leg : leg + 2]
        way = {"seed": first, "to": last, "t": k / walk.steps, "space": walk.space}
        return {**common, **alone, **way, "id": f"latent-{first}-to-{last}-{k}of{walk.steps}"}
    index, other = divmod(index, len(part.mix.seeds) if part.mix else 1)
    if part.seeds is None:
        id = f"latent-{index:06d}"
        own = derive_seed(seed, id, "latent") % 2**53
    else:
        own = part.seeds[index] if isinstance(part.seeds, tuple) else part.seeds + index
        id = f"latent-seed-{own}"
    if part.mix:
        id += f"-with-{part.mix.seeds[other]}"
        alone |= {"mix": [part.mix.seeds[other], part.mix.from_resolution]}
    return {**common, **alone, "seed": own, "id": id}
