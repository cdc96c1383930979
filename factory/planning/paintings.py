"""The appearances of a recipe, its own and those of groups, with the cards of their models."""

from collections.abc import Mapping
from dataclasses import dataclass

from factory.families.base import Card, Cost
from factory.families.registry import family_of
from factory.imaging.types import Shape
from factory.planning.compatibility import (
    check_model_labels,
    check_precision,
    gate_warnings,
    training_range_warnings,
)
from factory.schema.render_recipe import Recipe


@dataclass(frozen=True)
class Painting:
    """The recipe as one of its appearances sees it, and the cards of that appearance.

    Attributes:
        recipe: The recipe of the groups that the appearance paints, with their sections.
        card: The card of the painter.
        fusion: The card of a trained fusion network.
    """

    recipe: Recipe
    card: Card
    fusion: Card | None

    def check(self) -> None:
        """Raise PlanError where painter, fusion and recipe do not go together."""
        check_model_labels(self.recipe, self.card)
        check_precision(self.recipe, self.card)
        if self.fusion is not None:
            name = str(self.recipe.spec.fusion)
            family_of(self.card).check_fusion(name, self.fusion, self.card)

    def warnings(self, gate: Card | None) -> tuple[str, ...]:
        """Return warnings about what the networks were trained on, one line each."""
        lines = training_range_warnings(self.recipe, self.card)
        if self.fusion:
            lines += family_of(self.card).fusion_warnings(self.fusion, self.card)
        return lines + (gate_warnings(self.recipe, gate, self.card) if gate else ())

    def cost(self, gate: Card | None, shape: Shape) -> Cost:
        """Return what the networks add to a sample of so many voxels (z, y, x)."""
        cards = [card for card in (self.card, self.fusion, gate) if card is not None]
        costs = [family_of(card).cost(card, shape) for card in cards]
        return Cost(sum(cost.seconds for cost in costs), sum(cost.bytes for cost in costs))


def list_paintings(
    recipe: Recipe,
    common: tuple[Card, Card | None],
    groups: Mapping[str, tuple[Card, Card | None]],
) -> list[Painting]:
    """Return the recipe's own appearance, if it has one, and those of groups, all checked."""
    paintings = [
        Painting(Recipe(recipe.spec.of_group(name), recipe.source, recipe.overrides), *cards)
        for name, cards in groups.items()
    ]
    if recipe.spec.appearance is not None or recipe.spec.latents is not None:
        spec = recipe.spec.painted_by(("appearance",))
        narrowed = Recipe(spec, recipe.source, recipe.overrides)
        paintings.insert(0, Painting(narrowed if recipe.spec.groups else recipe, *common))
    for painting in paintings:
        painting.check()
    return paintings
