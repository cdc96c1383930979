"""What `import factory` gives, and what it loads."""

import inspect
import subprocess
import sys
from collections.abc import Iterator

import pytest
from support.places import environment

import factory

NAMES = """
Case Dataset FactoryError ImportOptions Plan Recipe RenderOptions RunOptions
evaluate export import_dataset load_recipe open plan render repair replay submit train verify
"""


def test_the_public_names_are_these_and_all_are_there() -> None:
    assert factory.__all__ == sorted(factory.__all__) == NAMES.split()
    assert dir(factory) == factory.__all__
    for name in factory.__all__:
        assert getattr(factory, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'rendr'"):
        _ = factory.rendr  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", [name for name in factory.__all__ if name[0].islower()])
def test_a_verb_takes_few_arguments_and_says_what_they_are(name: str) -> None:
    verb = getattr(factory, name)
    parameters = inspect.signature(verb).parameters
    assert len(parameters) <= 6
    for parameter in parameters:
        assert f"        {parameter}: " in verb.__doc__
    assert "Raises:" in verb.__doc__


def test_a_type_checker_finds_types() -> None:
    assert (factory.__spec__.submodule_search_locations or [""])[0]
    from importlib import resources

    assert resources.files("factory").joinpath("py.typed").is_file()


def loaded(statement: str) -> Iterator[str]:
    """Top-level packages that a statement loads in a new process."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment(), check=True)
    yield from ended.stdout.split()


HEAVY = {"zarr", "ray", "pandas", "pydantic", "scipy", "skimage", "nibabel", "fsspec", "matplotlib"}


def test_importing_factory_loads_nothing_heavy() -> None:
    assert not (HEAVY | {"torch", "numpy"}) & set(loaded("import factory"))


@pytest.mark.parametrize(
    "module",
    ["spade.network", "stylegan2.network", "ultrasound_to_mri.network", "label_vae", "segmenter"],
)
def test_a_network_needs_torch_numpy_and_safetensors_alone(module: str) -> None:
    assert not HEAVY & set(loaded(f"import factory.models.{module}"))


def test_reading_a_recipe_loads_neither_torch_nor_ray() -> None:
    found = set(loaded("import factory; factory.load_recipe('hydrocephalus')"))
    assert not {"torch", "ray"} & found
