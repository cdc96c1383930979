"""Render labelled synthetic medical images from a recipe into a Zarr dataset.

    recipe = factory.load_recipe("hydrocephalus", {"subjects.learned.count": 100})
    plan = factory.plan(recipe)
    factory.render(recipe, output="/data/heads.zarr")
    dataset = factory.open("/data/heads.zarr")

    from factory.torch import PatchDataset, PatchLoader    # image patches for PyTorch and MONAI

Each name is imported when it is first used. Therefore a network of factory.models needs only torch,
numpy and safetensors.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from factory.api import (
        evaluate,
        export,
        import_dataset,
        load_recipe,
        open,
        plan,
        render,
        repair,
        replay,
        submit,
        train,
        verify,
    )
    from factory.case import Case
    from factory.datasets.import_recipe import ImportOptions
    from factory.datasets.open import OpenedDataset as Dataset
    from factory.errors import FactoryError
    from factory.execution.options import RenderOptions, RunOptions
    from factory.planning.plan import Plan
    from factory.schema.render_recipe import Recipe

__all__ = [
    "Case",
    "Dataset",
    "FactoryError",
    "ImportOptions",
    "Plan",
    "Recipe",
    "RenderOptions",
    "RunOptions",
    "evaluate",
    "export",
    "import_dataset",
    "load_recipe",
    "open",
    "plan",
    "render",
    "repair",
    "replay",
    "submit",
    "train",
    "verify",
]

_LOCATIONS = {
    "Case": "factory.case:Case",
    "Dataset": "factory.datasets.open:OpenedDataset",
    "FactoryError": "factory.errors:FactoryError",
    "ImportOptions": "factory.datasets.import_recipe:ImportOptions",
    "Plan": "factory.planning.plan:Plan",
    "Recipe": "factory.schema.render_recipe:Recipe",
    "RenderOptions": "factory.execution.options:RenderOptions",
    "RunOptions": "factory.execution.options:RunOptions",
}


def __getattr__(name: str) -> Any:  # a class or a function
    """Import a public name when it is first used."""
    if name not in __all__:
        raise AttributeError(f"module 'factory' has no attribute {name!r}")
    module, _, attribute = _LOCATIONS.get(name, f"factory.api:{name}").partition(":")
    value = getattr(importlib.import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
