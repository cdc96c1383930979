"""Whether a trained fusion fits a SPADE model. This module does not import torch."""

from collections.abc import Mapping

from factory.errors import FactoryError
from factory.storage.json_value import JsonValue
from factory.storage.subjects.channels import describe_channels
from factory.text import join_names


def check_fusion(name: str, card: Mapping[str, JsonValue], spade: Mapping[str, JsonValue]) -> None:
    """Check that a model is a CNN fusion, and was trained for the SPADE model of a recipe.

    Args:
        name: The name of the fusion in the recipe.
        card: The fusion's card.
        spade: The card of the SPADE model whose volumes are to be fused.

    Raises:
        FactoryError: It is no CNN fusion, or belongs to another model; the message is one line.
    """
    if card["family"] != "cnn_fusion":
        raise FactoryError(
            f"appearance.fuse.cnn: {name}: family {card['family']!r}; allowed: 'cnn_fusion'"
        )
    fused_model = card["spade"]["name"]
    if fused_model != spade.get("name"):
        raise FactoryError(
            f"appearance.fuse.cnn: {name}: fuses what {fused_model} paints; appearance.model is "
            f"{spade.get('name')}"
        )
    fused_labels = card.get("label_table", {}).get("names")
    labels = spade.get("label_table", {}).get("names")
    if fused_labels and labels and fused_labels != labels:
        raise FactoryError(
            f"appearance.fuse.cnn: {name}: fuses what a model of {join_names(fused_labels[1:])} "
            f"paints; appearance.model is one of {join_names(labels[1:])}"
        )
    if card.get("channels", []) != spade.get("channels", []):
        raise FactoryError(
            f"appearance.fuse.cnn: {name}: fuses {describe_channels(card.get('channels', []))}; "
            f"the model paints {describe_channels(spade.get('channels', []))}"
        )
    if set(card["orientations"]) != set(spade["orientations"]):
        raise FactoryError(
            f"appearance.fuse.cnn: {name}: fuses {', '.join(card['orientations'])}; the model has "
            f"{', '.join(spade['orientations'])}"
        )


def fusion_warnings(
    card: Mapping[str, JsonValue], spade: Mapping[str, JsonValue]
) -> tuple[str, ...]:
    """Return a warning if a fusion was trained for other weights of the same model.

    Args:
        card: The fusion's card.
        spade: The card of the SPADE model whose volumes are to be fused.
    """
    if card["spade"]["sha256"] == spade["sha256"]:
        return ()
    return (
        f"appearance.fuse.cnn: {card['name']} was trained for other weights of {spade['name']}",
    )
