"""deploy/kubernetes, built as kustomize builds it, held against the commands that the pods run and what they share."""

import copy
import re
import runpy
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from typer.main import get_command

from xtr_assets.cli import app
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.telemetry import metrics

FOLDER = Path(__file__).parents[1] / "deploy" / "kubernetes"

if not FOLDER.is_dir():
    pytest.skip("not a checkout: the package is installed without its repository", allow_module_level=True)

Document = dict[str, Any]


def built(folder: Path) -> list[Document]:
    """The documents of a kustomization: as much of kustomize as these files use, and a failure for anything else."""
    asked = yaml.safe_load((folder / "kustomization.yaml").read_text())
    known = {"apiVersion", "kind", "resources", "nameSuffix", "labels", "patches", "namespace", "images"}
    assert set(asked) <= known | {"configMapGenerator"}, asked
    found: list[Document] = []
    for name in asked["resources"]:
        place = folder / name
        found += built(place) if place.is_dir() else [yaml.safe_load(place.read_text())]
    for patch in asked.get("patches", ()):
        for one in [one for one in found if one["kind"] == patch["target"]["kind"]]:
            for step in yaml.safe_load(patch["patch"]):
                *above, last = step["path"].strip("/").split("/")
                assert step["op"] == "replace"
                inside = one
                for key in above:
                    inside = inside[int(key)] if isinstance(inside, list) else inside[key]
                assert last in inside
                inside[last] = step["value"]
    for one in found:
        one["metadata"]["name"] += asked.get("nameSuffix", "")
        for labels in asked.get("labels", ()):
            assert labels["includeSelectors"] is True
            for place in labelled(one):
                place |= labels["pairs"]
    return found


def labelled(one: Document) -> Iterator[dict[str, str]]:
    """Labels and selectors of a document, as kustomize finds them with includeSelectors."""
    yield one["metadata"].setdefault("labels", {})
    spec = one["spec"]
    if one["kind"] == "Service":
        yield spec["selector"]
    elif "selector" in spec:
        yield spec["selector"]["matchLabels"]
    if "template" in spec:
        yield spec["template"]["metadata"]["labels"]
        for spread in spec["template"]["spec"].get("topologySpreadConstraints", ()):
            yield spread["labelSelector"]["matchLabels"]


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return built(FOLDER)


def of(documents: list[Document], kind: str) -> list[Document]:
    return [one for one in documents if one["kind"] == kind]


def pods(documents: list[Document]) -> list[Document]:
    return of(documents, "StatefulSet") + of(documents, "Deployment")


def containers(one: Document) -> dict[str, Document]:
    spec = one["spec"]["template"]["spec"]
    return {container["name"]: container for container in [*spec.get("initContainers", ()), *spec["containers"]]}


def parsed(container: Document, label: str) -> tuple[str, dict[str, Any]]:
    """The command of a container and its parameters, as the real command line reads them; refused words raise."""
    values = {"PART": label, "STORE": "s3://bucket/set"}
    named = {one["name"] for one in container.get("env", ())}

    def put(match: re.Match[str]) -> str:
        assert match[1] in named, f"$({match[1]}) is in the environment of no {container['name']}"
        return values[match[1]]

    program, name = container["command"]
    assert program == "xtr-assets"
    command = get_command(app)
    assert isinstance(command, click.Group)
    words = [re.sub(r"\$\((\w+)\)", put, word) for word in container["args"]]
    context = command.commands[name].make_context(name, words, parent=click.Context(command))
    return name, context.params


def test_each_container_runs_a_command_that_there_is(documents: list[Document]) -> None:
    assert [one["metadata"]["name"] for one in of(documents, "StatefulSet")] == ["xtr-part-0001", "xtr-part-0002"]
    for one in pods(documents):
        label = one["spec"]["template"]["metadata"]["labels"].get("part", "")
        found = {name: parsed(container, label) for name, container in containers(one).items()}
        assert {name: command for name, (command, _) in found.items()} == {
            "fill": "pull",
            "server": "serve",
            "follow": "pull",
        }
        fill, server, follow = (found[name][1] for name in ("fill", "server", "follow"))
        assert fill["follow"] is None and follow["follow"] >= 5
        assert (fill["store"], fill["warehouse"]) == (follow["store"], follow["warehouse"])
        root = Path(fill["warehouse"])
        if label:
            assert [*fill["part"]] == [*follow["part"]] == [label] and not fill["moves"]
            # What is brought is what is served, under the name by which the front knows it.
            assert [*server["index"]] == [f"{label}={root / 'parts' / label}"]
        else:
            assert fill["moves"] and follow["moves"] and Path(server["parts"]) == root
        assert server["host"] == "0.0.0.0"
        (port,) = containers(one)["server"]["ports"]
        assert server["port"] == port["containerPort"]
    strange = copy.deepcopy(containers(pods(documents)[0])["server"])
    strange["args"].append("--hedges=1")
    with pytest.raises(click.UsageError, match="hedges"):
        parsed(strange, "part-0001")
    strange["args"][-1] = "$(HEDGE)"
    with pytest.raises(AssertionError, match="environment"):
        parsed(strange, "part-0001")


def test_the_front_names_each_replica_of_each_part(documents: list[Document]) -> None:
    (front,) = of(documents, "Deployment")
    _, server = parsed(containers(front)["server"], "")
    wanted = set()
    for one in of(documents, "StatefulSet"):
        name, part = one["metadata"]["name"], one["spec"]["template"]["metadata"]["labels"]["part"]
        service = next(s for s in of(documents, "Service") if s["metadata"]["name"] == one["spec"]["serviceName"])
        assert service["spec"]["clusterIP"] == "None"
        port = service["spec"]["ports"][0]["port"]
        wanted |= {
            f"{part}=http://{name}-{n}.{one['spec']['serviceName']}:{port}" for n in range(one["spec"]["replicas"])
        }
    assert set(server["part"]) == wanted and len(server["part"]) == len(wanted)
    secret = {one["name"]: one for one in containers(front)["server"]["env"]}["XTR_ASSETS_TOKEN"]
    assert secret["valueFrom"]["secretKeyRef"]["name"] == "xtr-tokens"


def test_probes_ask_what_needs_no_token_and_disruptions_leave_a_replica(documents: list[Document]) -> None:
    budgets = of(documents, "PodDisruptionBudget")
    for one in pods(documents):
        server = containers(one)["server"]
        assert server["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
        for probe in ("livenessProbe", "startupProbe"):
            # A server that follows a store or waits for a part is alive.
            assert server[probe]["httpGet"] == {"path": "/healthz", "port": "http"}
        labels = one["spec"]["template"]["metadata"]["labels"]
        assert one["spec"]["selector"]["matchLabels"].items() <= labels.items()
        mine = [b for b in budgets if b["spec"]["selector"]["matchLabels"].items() <= labels.items()]
        assert len(mine) == 1 and mine[0]["spec"]["maxUnavailable"] < one["spec"]["replicas"]
        services = [s for s in of(documents, "Service") if s["spec"]["selector"].items() <= labels.items()]
        assert len(services) == 1


def test_what_is_mounted_is_there_and_only_that_is_written(documents: list[Document]) -> None:
    for one in pods(documents):
        spec = one["spec"]["template"]["spec"]
        volumes = {volume["name"] for volume in spec["volumes"]}
        volumes |= {claim["metadata"]["name"] for claim in one["spec"].get("volumeClaimTemplates", ())}
        assert spec["securityContext"]["runAsNonRoot"] is True
        for container in containers(one).values():
            mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
            assert set(mounts) <= volumes
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert {"requests", "limits"} <= set(container["resources"])
            written = [path for path in ("/data", "/tmp") if any(m["mountPath"] == path for m in mounts.values())]
            assert written == ["/data", "/tmp"]
        # The server and who follows share the folder; secrets are files, and no value stands in an argument.
        tokens = next(v for v in spec["volumes"] if v["name"] == "tokens")["secret"]
        assert tokens["secretName"] == "xtr-tokens" and tokens["defaultMode"] == 0o440


def test_what_scales_the_front_is_counted(documents: list[Document]) -> None:
    (scaler,) = of(documents, "HorizontalPodAutoscaler")
    (front,) = of(documents, "Deployment")
    assert scaler["spec"]["scaleTargetRef"]["name"] == front["metadata"]["name"]
    (measure,) = scaler["spec"]["metrics"]
    assert "cpu" in containers(front)[measure["containerResource"]["container"]]["resources"]["requests"]
    named = re.findall(r"xtr_assets_\w+", (FOLDER / "front" / "autoscaler.yaml").read_text())
    known = {one._name for one in vars(metrics).values() if hasattr(one, "_name")}
    assert named and {name.removesuffix("_total") for name in named} <= {name.removesuffix("_total") for name in known}


class Serve:
    """As much of Ray Serve as the file uses: what would run, by its route."""

    def __init__(self) -> None:
        self.ran: dict[str, Any] = {}
        self.replicas: dict[str, int] = {}

    def ingress(self, build: Any) -> Any:
        def around(cls: Any) -> Any:
            cls.build = staticmethod(build)
            return cls

        return around

    def deployment(self, *, name: str, num_replicas: int, max_ongoing_requests: int) -> Any:
        assert max_ongoing_requests >= 1
        self.replicas[name] = num_replicas

        def around(cls: Any) -> Any:
            cls.bind = staticmethod(lambda: cls)
            return cls

        return around

    def run(self, bound: Any, *, name: str, route_prefix: str, blocking: bool = False) -> None:
        assert name in self.replicas and blocking == (route_prefix == "/")
        self.ran[route_prefix] = bound.build()


def test_ray_serves_each_part_and_a_front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray is not among the packages of the tests: its names are stood in for, ours are the real ones."""
    serve = Serve()
    parts = PartSet.create(tmp_path / "set")
    for part in ("part-0001", "part-0002"):
        parts.add(part)
    monkeypatch.setitem(sys.modules, "ray", types.SimpleNamespace(serve=serve))
    monkeypatch.setenv("XTR_ASSETS_SET", str(parts.root))
    monkeypatch.setenv("XTR_ASSETS_TOKENS", "front a-token-that-is-long")
    runpy.run_path(str(FOLDER.parent / "ray-serve" / "parts.py"), run_name="__main__")
    assert set(serve.ran) == {"/part-0001", "/part-0002", "/"}
    assert all(callable(application) for application in serve.ran.values())
    assert set(serve.replicas.values()) == {2}
