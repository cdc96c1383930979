"""What the factory raises, and what the command line turns into exit codes.

    FactoryError                one clear line for the user; exit code 2
    ├── RecipeError             a recipe says something it may not: place, key, value, allowed
    ├── PlanError               a plan that cannot be carried out here: the number that does not fit
    ├── AnatomyError            an edit or a measurement that this label map does not allow
    └── RenderError             a case that cannot be rendered
    ShardsFailed                finished, with failures; exit code 3

factory.storage.errors.StorageError and factory.models.checkpoint.WeightsError also end in exit code
2.
"""


class FactoryError(Exception):
    """Base of everything a user can mend; its text is one line."""


class RecipeError(FactoryError):
    """The recipe is wrong. The text names file, line, column, key, value, what is allowed."""


class PlanError(FactoryError):
    """The plan does not fit: memory, disk, labels a network does not know."""


class AnatomyError(FactoryError):
    """An edit or measurement cannot be made on this label map."""


class RenderError(FactoryError):
    """A case cannot be rendered."""


class ShardsFailed(Exception):
    """The run is over and some shards failed; those that stand are complete."""
