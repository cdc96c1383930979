"""cluster.yaml is what Ray's own schema takes, and opens nothing to the world."""

import re
from typing import Any

import pytest
from ray.autoscaler._private.util import fillout_defaults, prepare_config, validate_config
from ruamel.yaml import YAML
from support.places import ROOT

TEXT = (ROOT / "cluster.yaml").read_text(encoding="utf-8")


@pytest.fixture
def cluster() -> dict[str, Any]:
    return YAML(typ="safe", pure=True).load(TEXT)


def test_ray_takes_it(cluster) -> None:
    validate_config(fillout_defaults(cluster))
    prepared = prepare_config(cluster)
    assert prepared["available_node_types"]["gpu"]["min_workers"] == 0
    assert prepared["available_node_types"]["gpu"]["max_workers"] == prepared["max_workers"]
    assert prepared["head_node_type"] == "head"


def test_a_misspelt_key_is_not_taken(cluster) -> None:
    """So that the test above says something."""
    import jsonschema

    with pytest.raises(jsonschema.ValidationError, match="max_worker"):
        validate_config(fillout_defaults({**cluster, "max_worker": 3}))


def test_no_keys_and_no_port_open_to_the_world(cluster) -> None:
    """Ray opens port 22 to all in a group that it makes itself: so it must be given one."""
    assert "0.0.0.0" not in TEXT
    assert "security_group" not in cluster["provider"]
    assert not re.search("aws_(access|secret)|AKIA", TEXT, re.IGNORECASE)
    for node in cluster["available_node_types"].values():
        assert node["node_config"]["SecurityGroupIds"]
        assert node["node_config"]["IamInstanceProfile"]
        assert node["node_config"]["MetadataOptions"]["HttpTokens"] == "required"
    assert "--dashboard-host=127.0.0.1" in cluster["head_start_ray_commands"][-1]


def test_the_head_has_no_gpu_and_the_workers_are_spot(cluster) -> None:
    head, gpu = (cluster["available_node_types"][name] for name in ("head", "gpu"))
    assert head["resources"] == {"CPU": 0}
    assert "InstanceMarketOptions" not in head["node_config"]
    assert gpu["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert gpu["resources"]["GPU"] == 1


def test_what_is_mounted_is_here_and_its_versions_are_the_locked_ones(cluster) -> None:
    packages = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    mounted = set(cluster["file_mounts"].values())
    assert packages <= mounted
    for local in mounted:
        assert (ROOT / local).exists(), local
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    ray = next(line for line in lock.splitlines() if line.startswith("ray=="))
    image = f"rayproject/ray:{ray.removeprefix('ray==')}-py311-gpu"
    assert cluster["docker"]["image"] == image
    assert f"FROM {image}\n" in (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")
