"""The exceptions of the factory. The command line turns each into an exit code.

    FactoryError                one clear line for the user; exit code 2
    ├── RecipeError             a recipe has a key or value that is not allowed
    ├── PlanError               a plan cannot be carried out on this machine or with this model
    ├── AnatomyError            a label map does not allow an edit or a measurement
    └── RenderError             a case cannot be rendered
    ShardsFailed                the run is over and some shards failed; exit code 3

factory.storage.errors.StorageError and factory.models.checkpoint.WeightsError also end in exit code
2.
"""


class FactoryError(Exception):
    """Base class of all errors that a user can correct. The text is one line."""


class RecipeError(FactoryError):
    """A recipe is wrong. The text states file, line, column, key, value and what is allowed."""


class PlanError(FactoryError):
    """A plan does not fit the machine, or a network does not know a label of the plan."""


class AnatomyError(FactoryError):
    """An edit or measurement is not possible on a label map."""


class RenderError(FactoryError):
    """A case cannot be rendered."""


class ShardsFailed(Exception):
    """The run is over and some shards failed. All other shards are complete."""
