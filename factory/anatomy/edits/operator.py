"""What an edit of the label map is to a recipe: its parameters, and the function that does it."""

from typing import Any, ClassVar

from factory.config.parameters import swept, word_of
from factory.config.section import Section


class Operator(Section):
    """An edit of the label map: its fields are its parameters, with their units in their names.

    function: "module:name", imported when it is first run. random: whether it takes `seed`, a
    whole number that belongs to the case. wants_age: whether it takes `age_weeks`, the subject's
    gestational age, None where it is not known. needs: labels beside FETA's that it cannot do
    without. seconds_per_megavoxel: a core's, for a million voxels of the box that a plan foresees
    for a head; roughly, from benchmarks/anatomy_speed.py, where that box has three million.
    """

    function: ClassVar[str]
    random: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = ()
    wants_age: ClassVar[bool] = False
    seconds_per_megavoxel: ClassVar[float]

    @classmethod
    def carried_out(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Parameters as the function takes them, from those a case has been given."""
        return values

    @classmethod
    def seconds(cls, values: dict[str, Any], megavoxels: float) -> float:
        """What a core takes for a head whose box has so many voxels, by plain parameters."""
        return cls.seconds_per_megavoxel * megavoxels

    @classmethod
    def reaches_weeks(cls, values: dict[str, Any]) -> float:
        """The gestational age to which a subject may come, by plain parameters; 0 for its own."""
        return 0.0

    @classmethod
    def grows_mm(cls, values: dict[str, Any]) -> float:
        """How far a head may come to reach beyond itself on each side, by plain parameters."""
        return 0.0

    @classmethod
    def grows_by(cls, values: dict[str, Any]) -> float:
        """By what factor, 1 or more, a head may come to be larger, by plain parameters."""
        return 1.0


def options_of(value: Any) -> list[tuple[tuple[str | int, ...], Any]]:
    """Each value an Option may take, with its place below the parameter."""
    plain = value.model_dump(exclude_none=True) if isinstance(value, Section) else value
    word = word_of(plain)
    if word is None:
        return [] if plain is None else [((), plain)]
    body = plain[word]
    if word == "range":
        return [((word,), v) for v in swept(word, body)]
    weighted = isinstance(body, dict)
    return [((word, v if weighted else i), v) for i, v in enumerate(body)]
