"""The number and text types of recipes, each with its allowed values and its unit.

The key of a parameter ends in its unit: a length in `_mm`, an age in `_weeks`, a volume in `_ml`,
an angle in `_degrees`.
"""

from typing import Annotated

from pydantic import AfterValidator, Field

from factory.config.section import allowed, one_of, problem
from factory.storage.subjects.channels import CHANNEL_NAME
from factory.storage.subjects.label_names import is_label_name, normalise_label_name
from factory.storage.subjects.types import FETA


def _check_label_name(name: str) -> str:
    """Refuse what is no name of a label, with the nearest name."""
    if not is_label_name(name):
        nearest = normalise_label_name(name)
        hint = f"; did you mean {nearest}?" if nearest else ""
        text = "value {value}; allowed: small letters, digits and _, a letter first{hint}"
        raise problem(text, name, hint=hint)
    return name


def _check_channel_name(name: str) -> str:
    """Refuse what is no name of an image's channel."""
    if not CHANNEL_NAME.fullmatch(name):
        text = "value {value}; allowed: letters, digits and _, a letter first"
        raise problem(text, name)
    return name


TISSUES = FETA.names[1:]

Text = Annotated[str, Field(min_length=1), allowed("text")]
Count = Annotated[int, Field(ge=1, le=100_000_000), allowed("a whole number of at least 1")]
Seed = Annotated[int, Field(ge=0, lt=2**53), allowed("a whole number of at least 0")]
Weeks = Annotated[float, Field(ge=20, le=38), allowed("20 to 38 weeks")]
Millimetres = Annotated[float, Field(ge=0, le=30), allowed("0 to 30 mm")]
Millilitres = Annotated[float, Field(ge=0, le=1000), allowed("0 to 1000 ml")]
Degrees = Annotated[float, Field(ge=-180, le=180), allowed("-180 to 180 degrees")]
Share = Annotated[float, Field(ge=0, le=1), allowed("a share from 0 to 1 (30 % is 0.3)")]
WarpMillimetres = Annotated[float, Field(ge=0, le=10), allowed("0 to 10 mm")]
Smoothness = Annotated[float, Field(ge=6, le=50), allowed("6 to 50 mm")]
Turn = Annotated[float, Field(ge=-45, le=45), allowed("-45 to 45 degrees")]
Scale = Annotated[float, Field(ge=0.7, le=1.4), allowed("0.7 to 1.4")]
Shear = Annotated[float, Field(ge=-0.3, le=0.3), allowed("-0.3 to 0.3")]
Spacing = Annotated[float, Field(ge=0.2, le=5), allowed("0.2 to 5 mm")]
Grade = Annotated[int, Field(ge=0, le=99), allowed("a whole number from 0 to 99")]
Tissue = Annotated[str, one_of(TISSUES)]
LabelName = Annotated[str, AfterValidator(_check_label_name)]
ChannelName = Annotated[str, AfterValidator(_check_channel_name)]
LabelValue = Annotated[int, Field(ge=0, le=65535), allowed("a whole number from 0 to 65535")]
Voxels = Annotated[int, Field(ge=16, le=1024), allowed("16 to 1024 voxels")]
Factor = Annotated[float, Field(gt=0, le=100), allowed("a number above 0, at most 100")]
Intensity = Annotated[float, Field(ge=-1000, le=1000), allowed("a number from -1000 to 1000")]

Thickness = Annotated[float, Field(ge=1.5, le=5), allowed("1.5 to 5 mm")]
Gap = Annotated[float, Field(ge=0, le=2), allowed("0 to 2 mm")]
InPlane = Annotated[float, Field(ge=0.4, le=2), allowed("0.4 to 2 mm")]
HalfShare = Annotated[float, Field(ge=0, le=0.5), allowed("a share from 0 to 0.5")]
KeptShare = Annotated[float, Field(ge=0.5, le=1), allowed("a share from 0.5 to 1")]
EchoTrain = Annotated[float, Field(ge=0, le=600), allowed("0 to 600 ms")]
Relaxation = Annotated[float, Field(ge=10, le=3000), allowed("10 to 3000 ms")]
Snr = Annotated[float, Field(ge=1, le=1000), allowed("1 to 1000")]
Order = Annotated[int, Field(ge=1, le=5), allowed("a whole number from 1 to 5")]
Tone = Annotated[float, Field(ge=0.5, le=2), allowed("0.5 to 2")]
HeadShift = Annotated[float, Field(ge=0, le=20), allowed("0 to 20 mm")]
HeadTurn = Annotated[float, Field(ge=0, le=45), allowed("0 to 45 degrees")]
VoidSize = Annotated[float, Field(ge=1, le=60), allowed("1 to 60 mm")]
Whole = Annotated[int, Field(ge=0), allowed("a whole number, 0 or more")]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False), allowed("a number, 0 or more")]
Rate = Annotated[float, Field(gt=0, le=1), allowed("a number above 0, at most 1")]
Decay = Annotated[float, Field(ge=0, lt=1), allowed("a number from 0 to below 1")]
