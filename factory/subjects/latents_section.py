"""What a recipe may say of samples that a trained StyleGAN2 draws from its latents."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from factory.config.section import Section, allowed, problem
from factory.config.types import Count, Seed, Share, Text

if TYPE_CHECKING:
    from factory.schema.render_recipe import RenderRecipe

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


def check_latents(spec: "RenderRecipe") -> None:
    """Raises the error of a validator where a recipe has neither subjects nor latents, or what
    does not go with latents."""
    subjects = any(source for _, source in spec.subjects)
    required: dict[str, Any] = {"subjects": subjects, "appearance": spec.appearance}
    if spec.latents is None:
        for key, there in required.items():
            if not there:
                raise problem("missing; this key is required", at=(key,))
        return
    beside: dict[str, Any] = {
        "subjects": subjects,
        "groups": spec.groups,
        "acquisition": spec.acquisition,
        "anatomy": spec.anatomy and not spec.appearance,
    }
    for key, there in beside.items():
        if there:
            why = "without an appearance" if key == "anatomy" else "beside latents"
            raise problem(f"value given {why}; allowed: none", at=(key,))
    for key in ("original", "uncertainty"):
        if getattr(spec.output, key):
            text = "value true; not of what is drawn from latents; allowed: false"
            raise problem(text, at=("output", key))
    if spec.output.shape != "auto":
        text = "value {value}; the model's resolution is the shape; allowed: auto"
        raise problem(text, spec.output.shape, at=("output", "shape"))
