"""Files of deploy/: what a chart would refuse, or silently leave out, is found before somebody installs it."""

import importlib.util
import json
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

from xtr_assets.core.errors import ConfigError
from xtr_assets.defs.home_instance import open_instance

DEPLOY = Path(__file__).parents[1] / "deploy"

if not DEPLOY.is_dir():
    pytest.skip("not a checkout: the package is installed without its repository", allow_module_level=True)

ANY: dict[str, Any] = {}
# The fields of Dagster's chart (helm/dagster/values.schema.json and the schema it is generated from) that the values
# may use; ANY for what Kubernetes defines, or the chart leaves open.
CHART: dict[str, Any] = {
    "dagster-user-deployments": {
        "enabled": ANY,
        "enableSubchart": ANY,
        "imagePullSecrets": ANY,
        "deployments": [
            {
                "name": ANY,
                "image": {"repository": ANY, "tag": ANY, "pullPolicy": ANY},
                "dagsterApiGrpcArgs": ANY,
                "codeServerArgs": ANY,
                "includeConfigInLaunchedRuns": {"enabled": ANY},
                **dict.fromkeys(("port", "env", "envConfigMaps", "envSecrets", "annotations", "nodeSelector"), ANY),
                **dict.fromkeys(("affinity", "tolerations", "podSecurityContext", "securityContext"), ANY),
                **dict.fromkeys(("resources", "livenessProbe", "readinessProbe", "startupProbe", "labels"), ANY),
                **dict.fromkeys(("volumeMounts", "volumes", "schedulerName"), ANY),
            }
        ],
    },
    "postgresql": dict.fromkeys(
        (
            *("enabled", "image", "postgresqlHost", "postgresqlUsername", "postgresqlPassword", "postgresqlDatabase"),
            *("postgresqlParams", "postgresqlScheme", "service"),
        ),
        ANY,
    ),
    "runLauncher": {
        "type": ANY,
        "config": {
            "k8sRunLauncher": {
                **dict.fromkeys(("image", "imagePullPolicy", "jobNamespace", "loadInclusterConfig"), ANY),
                **dict.fromkeys(("kubeconfigFile", "envConfigMaps", "envSecrets", "envVars", "volumeMounts"), ANY),
                **dict.fromkeys(("volumes", "labels", "failPodOnRunFailure", "resources", "schedulerName"), ANY),
                "securityContext": ANY,
                "runK8sConfig": dict.fromkeys(
                    ("containerConfig", "podSpecConfig", "podTemplateSpecMetadata", "jobSpecConfig", "jobMetadata"), ANY
                ),
            }
        },
    },
    "dagsterDaemon": {
        "runCoordinator": {
            "enabled": ANY,
            "type": ANY,
            "config": {
                "queuedRunCoordinator": {
                    "maxConcurrentRuns": ANY,
                    "tagConcurrencyLimits": [{"key": ANY, "value": ANY, "limit": ANY}],
                    **dict.fromkeys(("dequeueIntervalSeconds", "dequeueNumWorkers", "dequeueUseThreads"), ANY),
                }
            },
        },
        "runMonitoring": dict.fromkeys(
            (
                *("enabled", "startTimeoutSeconds", "cancelTimeoutSeconds", "maxResumeRunAttempts"),
                *("pollIntervalSeconds", "freeSlotsAfterRunEndSeconds"),
            ),
            ANY,
        ),
    },
    "retention": {
        "enabled": ANY,
        "sensor": {"purgeAfterDays": dict.fromkeys(("skipped", "success", "failure", "started"), ANY)},
        "schedule": {"purgeAfterDays": ANY},
    },
    "telemetry": {"enabled": ANY},
}


def unknown(ours: Any, chart: Any, place: str = "") -> list[str]:
    """Fields that the chart does not know."""
    if isinstance(ours, list) and isinstance(chart, list):
        return [one for n, item in enumerate(ours) for one in unknown(item, chart[0], f"{place}[{n}]")]
    if not isinstance(ours, dict) or not chart:
        return []
    strange = [f"{place}.{key}" for key in ours if key not in chart]
    return strange + [
        one for key, value in ours.items() if key in chart for one in unknown(value, chart[key], f"{place}.{key}")
    ]


def values(name: str) -> Any:
    return yaml.safe_load((DEPLOY / "dagster" / name).read_text())


def test_the_chart_knows_each_value() -> None:
    ours = values("kubernetes/values.yaml")
    assert unknown(ours, CHART) == []
    ours["dagsterDaemon"]["runMonitoring"]["startTimeout"] = 1
    ours["dagster-user-deployments"]["deployments"][0]["volume"] = []
    assert unknown(ours, CHART) == [
        ".dagster-user-deployments.deployments[0].volume",
        ".dagsterDaemon.runMonitoring.startTimeout",
    ]


def test_a_volume_that_is_mounted_is_there() -> None:
    ray = values("ray/values.yaml")
    places = [*values("kubernetes/values.yaml")["dagster-user-deployments"]["deployments"], ray["head"], ray["worker"]]
    for one in [*places, *ray["additionalWorkerGroups"].values()]:
        assert {mount["name"] for mount in one["volumeMounts"]} == {volume["name"] for volume in one["volumes"]}


@pytest.mark.parametrize("name", ["celery", "ray"])
def test_storage_is_postgres_by_an_address_of_the_environment(name: str) -> None:
    assert values(f"{name}/dagster.yaml")["storage"] == {"postgres": {"postgres_url": {"env": "DAGSTER_POSTGRES_URL"}}}


def test_no_yaml_of_deploy_is_broken() -> None:
    found = [path for path in DEPLOY.rglob("*.yaml") if yaml.safe_load(path.read_text())]
    assert len(found) >= 6


def test_the_definitions_of_the_cluster_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lib").mkdir()
    config = tmp_path / "xtr.yaml"
    config.write_text("sources: [{name: lib, kind: python, path: lib}]\nencoder: {kind: hashing}\n")
    monkeypatch.setenv("XTR_ASSETS_CONFIG", str(config))
    defs = runpy.run_path(str(DEPLOY / "dagster" / "kubernetes" / "definitions.py"))["defs"]
    tags = {job: json.loads(defs.resolve_job_def(job).tags["dagster-k8s/config"]) for job in ("ingest", "rebuild")}
    assert tags["ingest"]["container_config"]["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert tags["rebuild"]["pod_spec_config"] == {"node_selector": {"pool": "memory"}}
    assert "dagster-k8s/config" not in defs.resolve_job_def("verify").tags


def test_a_worker_is_told_what_the_launcher_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker reads a module, the launcher a YAML file: both have to wait as long for a task to be acknowledged."""
    monkeypatch.setenv("DAGSTER_BROKER_URL", "redis://hub:6379/0")
    worker = runpy.run_path(str(DEPLOY / "dagster" / "celery" / "dagster_celery_config.py"))
    launcher = values("celery/dagster.yaml")["run_launcher"]["config"]
    assert worker["broker_transport_options"] == launcher["config_source"]["broker_transport_options"]
    assert worker["broker_url"] == worker["result_backend"] == "redis://hub:6379/0"


@pytest.mark.skipif(importlib.util.find_spec("dagster_postgres") is None, reason="the extra `cluster`")
def test_an_address_without_its_driver_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg2")
    if importlib.util.find_spec("psycopg") is not None:
        pytest.skip("psycopg 3 is installed here")
    (tmp_path / "dagster.yaml").write_bytes((DEPLOY / "dagster" / "celery" / "dagster.yaml").read_bytes())
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", "postgresql://dagster@127.0.0.1:1/dagster")
    monkeypatch.setenv("DAGSTER_BROKER_URL", "redis://127.0.0.1:1/0")
    with pytest.raises(ConfigError, match=r"postgresql\+psycopg2://"):
        open_instance()


def test_what_the_image_copies_is_sent_to_its_builder() -> None:
    """All else is left out: an environment, a warehouse beside the code."""
    kept = {line[1:] for line in (DEPLOY.parent / ".dockerignore").read_text().split() if line.startswith("!")}
    lines = [line.split()[1:-1] for line in (DEPLOY / "Dockerfile").read_text().splitlines() if line[:5] == "COPY "]
    named = {name for names in lines if not names[0].startswith("--from") for name in names}
    assert named and named == kept
    assert all((DEPLOY.parent / name).exists() for name in named)
