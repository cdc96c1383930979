"""The RayJob manifest: its own fields as KubeRay's API names them, its pods by Kubernetes' schema.

KubeRay's resource definition is a megabyte, nearly all of it the pods' schema; so the fields of its
own are written down here, from the types of its API (ray.io/v1), and pod templates are given to the
schemas that kubernetes-validate brings, where it is installed.
"""

import json
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML
from support.places import ROOT


def exactly(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


TEXT, NUMBER, COUNT, TRUTH = ({"type": t} for t in ("string", "number", "integer", "boolean"))
TEXTS = {"type": "object", "additionalProperties": TEXT}
POD = {"type": "object", "required": ["spec"]}
CLUSTER = exactly(
    ("headGroupSpec",),
    rayVersion=TEXT,
    enableInTreeAutoscaling=TRUTH,
    suspend=TRUTH,
    autoscalerOptions=exactly(
        idleTimeoutSeconds=COUNT,
        upscalingMode={"enum": ["Default", "Aggressive", "Conservative"]},
        resources={"type": "object"},
        image=TEXT,
        imagePullPolicy=TEXT,
    ),
    headGroupSpec=exactly(
        ("template",),
        serviceType={"enum": ["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]},
        enableIngress=TRUTH,
        rayStartParams=TEXTS,
        template=POD,
    ),
    workerGroupSpecs={
        "type": "array",
        "items": exactly(
            ("groupName", "minReplicas", "maxReplicas", "template"),
            groupName=TEXT,
            replicas=COUNT,
            minReplicas=COUNT,
            maxReplicas=COUNT,
            numOfHosts=COUNT,
            rayStartParams=TEXTS,
            template=POD,
        ),
    },
)
RAY_JOB = exactly(
    ("apiVersion", "kind", "metadata", "spec"),
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayJob"},
    metadata=exactly(("name",), name=TEXT, namespace=TEXT, labels=TEXTS, annotations=TEXTS),
    spec=exactly(
        ("entrypoint", "rayClusterSpec"),
        activeDeadlineSeconds=COUNT,
        backoffLimit=COUNT,
        entrypoint=TEXT,
        entrypointNumCpus=NUMBER,
        entrypointNumGpus=NUMBER,
        rayClusterSpec=CLUSTER,
        runtimeEnvYAML=TEXT,
        shutdownAfterJobFinishes=TRUTH,
        submissionMode={"enum": ["K8sJobMode", "HTTPMode", "InteractiveMode"]},
        suspend=TRUTH,
        ttlSecondsAfterFinished=COUNT,
    ),
)


@pytest.fixture
def job() -> dict[str, Any]:
    return YAML(typ="safe", pure=True).load((ROOT / "deploy/rayjob.yaml").read_text("utf-8"))


def pods(job: dict[str, Any]) -> list[dict[str, Any]]:
    cluster = job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [group["template"]["spec"] for group in groups]


def test_it_has_the_fields_of_a_ray_job(job) -> None:
    jsonschema.validate(job, RAY_JOB)


def test_its_pods_are_as_kubernetes_has_them(job) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not here")
    for spec in pods(job):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": spec}
        validate.validate(pod, validate.latest_version(), strict=True)


def test_workers_go_from_none_to_as_many_as_there_are_actors(job) -> None:
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["enableInTreeAutoscaling"]
    group = cluster["workerGroupSpecs"][0]
    assert group["minReplicas"] == 0
    words = job["spec"]["entrypoint"].split()
    assert group["maxReplicas"] == int(words[words.index("--actors") + 1])
    gpus = group["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"]
    assert group["rayStartParams"]["num-gpus"] == gpus == "1"
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert f"ray=={cluster['rayVersion']}\n" in lock


def test_its_command_is_one_of_ours(job) -> None:
    """Every option of the entrypoint is one that `factory render` has."""
    import typer

    from factory.cli import app

    command: Any = typer.main.get_command(app)
    known = {name for option in command.commands["render"].params for name in option.opts}
    words = job["spec"]["entrypoint"].split()
    assert words[:2] == ["factory", "render"]
    assert {word for word in words if word.startswith("--")} <= known


def test_it_holds_no_secret_and_opens_nothing(job) -> None:
    assert job["spec"]["rayClusterSpec"]["headGroupSpec"]["serviceType"] == "ClusterIP"
    for spec in pods(job):
        assert spec["serviceAccountName"] == "factory"
        assert not any("env" in container for container in spec["containers"])
    assert "secret" not in json.dumps(job).lower()
