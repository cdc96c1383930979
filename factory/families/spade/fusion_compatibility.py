"""Whether a trained fusion is one, and of which SPADE model. Knows no torch."""

from collections.abc import Mapping
from typing import Any

from factory.errors import FactoryError


def check_fusion(name: str, card: Mapping[str, Any], spade: Mapping[str, Any]) -> None:
    """Raises FactoryError, one line, where a model is no CNN fusion or is another model's.

    name: what the recipe calls it. card: its card. spade: that of the model whose volumes it is
    to fuse.
    """
    if card["family"] != "cnn_fusion":
        raise FactoryError(
            f"appearance.fuse.cnn: {name}: family {card['family']!r}; allowed: 'cnn_fusion'"
        )
    its = card["spade"]["name"]
    if its != spade.get("name"):
        raise FactoryError(
            f"appearance.fuse.cnn: {name}: fuses what {its} paints; appearance.model is "
            f"{spade.get('name')}"
        )
    if set(card["orientations"]) != set(spade["orientations"]):
        raise FactoryError(
            f"appearance.fuse.cnn: {name}: fuses {', '.join(card['orientations'])}; the model has "
            f"{', '.join(spade['orientations'])}"
        )


def fusion_warnings(card: Mapping[str, Any], spade: Mapping[str, Any]) -> tuple[str, ...]:
    """Where a fusion learnt from another training of the same model."""
    if card["spade"]["sha256"] == spade["sha256"]:
        return ()
    return (
        f"appearance.fuse.cnn: {card['name']} was trained for other weights of {spade['name']}",
    )
