"""What a recipe may say of heads in ultrasound."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from factory.config.section import Section, allowed, problem
from factory.config.types import Text

if TYPE_CHECKING:
    from factory.schema.render_recipe import RenderRecipe

Circumference = Annotated[float, Field(ge=0, le=1000), allowed("0 to 1000 mm")]


class Ultrasound(Section):
    """Fetal heads in ultrasound in the layout of the HC18 challenge: see
    factory.storage.subjects.head_ultrasound. circumference_mm: the smallest and the largest head to
    use."""

    path: Text
    circumference_mm: Annotated[
        tuple[Circumference, Circumference], allowed("[smallest, largest] in mm")
    ] = (150.0, 400.0)


def check_plane(spec: "RenderRecipe") -> None:
    """Raises the error of a validator for what needs tissues, or a volume."""
    own = {"anatomy": spec.anatomy, "groups": spec.groups, "acquisition": spec.acquisition}
    for key, asked in own.items():
        if asked:
            text = "a head in ultrasound is one plane without tissues; allowed: without"
            raise problem(text, at=(key,))
    if spec.output.uncertainty:
        text = "value true; ultrasound gives one image alone; allowed: false"
        raise problem(text, at=("output", "uncertainty"))
