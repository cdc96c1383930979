"""Which samples of a dataset are meant: a query of their columns, and those that were accepted."""

from typing import TYPE_CHECKING

from factory.errors import FactoryError
from factory.text import listed, nearest

if TYPE_CHECKING:
    import pandas as pd

ACCEPTED = "accepted"
"""The column that says whether a sample passed its checks; all did where there is none."""


def select(
    table: "pd.DataFrame", where: str | None = None, rejected_too: bool = False
) -> tuple["pd.DataFrame", int]:
    """The rows that a query chooses and that were accepted; and how many it chose that were not.

    Raises FactoryError for a query that is none, or that chooses nothing.
    """
    chosen = table if where is None else table[_mask(table, where)]
    count = len(chosen)
    if ACCEPTED in chosen and not rejected_too:
        chosen = chosen[~chosen[ACCEPTED].isin([False])]
    if not len(chosen):
        if count:
            raise FactoryError(f"all of the {count} samples chosen were rejected; --all takes them")
        raise FactoryError(f"--where {where!r}: true of none of the {len(table)} samples")
    return chosen, count - len(chosen)


def _mask(table: "pd.DataFrame", where: str) -> "pd.Series":
    from pandas.errors import UndefinedVariableError

    columns = list(map(str, table.columns))
    try:
        mask = table.eval(where, engine="python")
    except UndefinedVariableError as error:
        name = str(error).split("'")[1]
        hint = nearest(name, columns) or f"; there are {listed(columns)}"
        raise FactoryError(f"--where {where!r}: no column {name!r}{hint}") from None
    except Exception as error:  # whatever pandas makes of text that is no query
        reason = " ".join(str(error).split()) or type(error).__name__
        raise FactoryError(f"--where {where!r}: not a query of columns: {reason}") from None
    if getattr(mask, "dtype", None) not in ("bool", "boolean") or len(mask) != len(table):
        raise FactoryError(f"--where {where!r}: is not true or false of a sample; e.g. grade >= 2")
    return mask.fillna(False).astype(bool)
