"""From shadow to both dimensions, and through every fault: aware recommend against a cluster that is a double.

    python3 Tests/ClusterTests/run.py --aware .build/release/aware [--only NAME] [--all]
"""

import argparse
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time

from api_server import amount
from controllers import Application
import history
from harness import NAMESPACE, Failed, Stack, check, deployment, free_port, wait


def steady(rate):
    # Never the same twice: a metric that stands still to the last bit counts as broken.
    return lambda now: rate * (1 + 0.03 * math.sin(now / 3))


def application(stack, name, rate):
    """A workload with its load, which tests may change."""
    made = Application(NAMESPACE, name, steady(rate))
    stack.world.applications[(NAMESPACE, name)] = made
    return made


def kubectl_and_the_double(stack):
    """The double is checked by a client that is not ours."""
    if not shutil.which("kubectl"):
        print("    kubectl is not here: skipped")
        return
    environment = {**os.environ, "KUBECONFIG": stack.kubeconfig + "-admin", "KUBECTL_SKIP_DISPATCH": "1"}

    def kubectl(*arguments, stdin=None, fails=False):
        done = subprocess.run(["kubectl", *arguments], input=stdin, capture_output=True, text=True, env=environment, timeout=30)
        check(f"kubectl {' '.join(arguments)}: {done.stdout}{done.stderr}", (done.returncode != 0) == fails)
        return done.stdout + done.stderr

    manifest = json.dumps(deployment("checked", 1))
    kubectl("apply", "--validate=false", "-f", "-", stdin=manifest)
    wait("a pod runs", lambda: "Running" in json.dumps(stack.pods("checked")), 10)
    kubectl("scale", "deployment/checked", "--replicas=3")
    check("kubectl scaled", stack.replicas("checked") == 3)
    kubectl("annotate", "deployment/checked", "aware.dev/mode=shadow")
    check("kubectl annotated", stack.object("deployments", "checked")["metadata"]["annotations"]["aware.dev/mode"] == "shadow")
    wait("three pods", lambda: len(stack.pods("checked")) == 3, 5)
    pod = stack.pods("checked")[0]["metadata"]["name"]
    patch = '{"spec":{"containers":[{"name":"main","resources":{"requests":{"cpu":"600m"},"limits":{"cpu":"600m"}}}]}}'
    kubectl("patch", "pod", pod, "--subresource=resize", "-p", patch)
    check("kubectl resized", stack.pods("checked")[0]["spec"]["containers"][0]["resources"]["limits"]["cpu"] == "600m")
    bad = '{"spec":{"containers":[{"name":"main","resources":{"requests":{"cpu":"100m"}}}]}}'
    check("a change of QoS is refused", "invalid" in kubectl("patch", "pod", pod, "--subresource=resize", "-p", bad, fails=True).lower())
    check("the scale has the selector", "app=checked" in kubectl("get", "deployment", "checked", "--subresource=scale", "-o", "json"))
    kubectl("delete", "deployment/checked")


def shadow(stack):
    """Everything is decided and shown, nothing is written."""
    application(stack, "web", 60)
    stack.create("deployments", deployment("web", 2, annotations={"aware.dev/mode": "shadow", "aware.dev/latency": "500ms"}))
    began = time.time()
    wait("aware decides for the workload", lambda: len(stack.decisions(f"{NAMESPACE}.web")) >= 6, 40)
    try:
        wait("it would scale up", lambda: stack.decisions(f"{NAMESPACE}.web")[0]["desired"]["replicas"] > 2, 30)
    except Failed:
        raise Failed(f"it would scale up: {json.dumps(stack.decisions(NAMESPACE + '.web')[0])}")
    check("nothing was written to the workload or its pods",
          not stack.writes("/deployments", began) and not stack.writes("/pods", began) and stack.replicas("web") == 2)
    profile = stack.get(stack.url(f"/v1/applications/{NAMESPACE}.web"))["profile"]
    check(f"the objective is the annotation's: {profile}", profile["slo"]["latencySeconds"] == 0.5)


def horizontal(stack):
    """The scale is written."""
    stack.annotate("web", mode="horizontal")
    wait("the workload was scaled up", lambda: stack.replicas("web") > 2, 20)
    wait("and its pods are ready", lambda: stack.object("deployments", "web")["status"].get("readyReplicas", 0) > 2, 10)
    check("sizes stay", all(amount(limit["memory"]) == 256 << 20 for limit in stack.limits("web")))
    check("by a conditional merge patch of the scale",
          all(write[1] == "PATCH" and write[3]["metadata"]["resourceVersion"] for write in stack.writes("/deployments/web/scale")))


def both(stack):
    """Scale and pods: memory that runs short is raised in place, sidecars stay."""
    hungry = application(stack, "cart", 40)
    hungry.memory_per_request = 9 << 20
    stack.create("deployments", deployment("cart", 2, memory="300Mi", sidecar=True, annotations={
        "aware.dev/mode": "both", "aware.dev/containers": "main"}))
    wait("memory was raised in place", lambda: any(amount(limit["memory"]) > 300 << 20 for limit in stack.limits("cart")), 60)
    time.sleep(3)
    proxies = [pod["spec"]["containers"][1]["resources"] for pod in stack.pods("cart")]
    check("the sidecar keeps its size", all(proxy["requests"] == {"cpu": "50m", "memory": "32Mi"} for proxy in proxies))
    check("by the resize subresource", stack.writes("/resize"))
    check("Guaranteed pods stay so", all(pod["spec"]["containers"][0]["resources"]["requests"]["memory"]
                                         == pod["spec"]["containers"][0]["resources"]["limits"]["memory"] for pod in stack.pods("cart")))


def vertical(stack):
    """A VPA whose status its updater acts on."""
    hungry = application(stack, "search", 20)
    hungry.memory_per_request = 19 << 20
    body = deployment("search", 3, memory="256Mi")
    body["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["memory"] = "128Mi"
    stack.create("deployments", body)
    stack.create("verticalpodautoscalers", {
        "metadata": {"name": "search"}, "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "search"}, "recommenders": [{"name": "aware"}],
            "updatePolicy": {"updateMode": "InPlaceOrRecreate"},
            "resourcePolicy": {"containerPolicies": [{"containerName": "*", "controlledResources": ["memory"]}]}}})

    def status():
        return stack.object("verticalpodautoscalers", "search").get("status") or {}

    wait("there is a recommendation", lambda: status().get("recommendation"), 30)
    item = status()["recommendation"]["containerRecommendations"][0]
    check(f"of the real container: {item}", item["containerName"] == "main" and set(item["target"]) == {"memory"})
    check("with the generation that was seen", status()["observedGeneration"] == 1)
    wait("the updater resized pods because of it", lambda: any(amount(limit["memory"]) > 256 << 20 for limit in stack.limits("search")), 60)
    pod = next(pod for pod in stack.pods("search") if amount(pod["spec"]["containers"][0]["resources"]["limits"]["memory"]) > 256 << 20)
    resources = pod["spec"]["containers"][0]["resources"]
    ratio = amount(resources["limits"]["memory"]) / amount(resources["requests"]["memory"])
    check(f"the ratio of request to limit stays: {resources}", abs(ratio - 2) < 0.05)
    check("aware resized no pod itself", not any("search" in write[2] for write in stack.writes("/resize")))
    conditions = {condition["type"]: condition for condition in status()["conditions"]}
    check(f"conditions: {conditions}", conditions["RecommendationProvided"]["status"] == "True")
    since = conditions["RecommendationProvided"]["lastTransitionTime"]
    time.sleep(3)
    again = {condition["type"]: condition for condition in status()["conditions"]}["RecommendationProvided"]
    check("lastTransitionTime moves only with the status", again["lastTransitionTime"] == since)


def conflicts(stack):
    """An HPA on the same target: aware gives way and says so."""
    application(stack, "mail", 80)
    stack.create("deployments", deployment("mail", 2))
    stack.create("applications", {"metadata": {"name": "mail"}, "spec": {
        "targetRef": {"kind": "Deployment", "name": "mail"}, "mode": "both",
        "profile": {"replicas": {"min": 2, "max": 9}, "slo": None}}})
    stack.create("horizontalpodautoscalers", {"metadata": {"name": "mail"}, "spec": {
        "scaleTargetRef": {"kind": "Deployment", "name": "mail"}, "minReplicas": 2, "maxReplicas": 9,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}]}})

    def refusal():
        conditions = (stack.object("applications", "mail").get("status") or {}).get("conditions") or []
        return next((c for c in conditions if c["type"] == "Supported" and c["status"] == "False"), None)

    found = wait("the conflict is told", refusal, 30)
    check(f"by name: {found}", found["reason"] == "ScaledByAnother" and "HorizontalPodAutoscaler mail" in found["message"])
    status = stack.object("applications", "mail")["status"]
    check(f"the status shows the decision: {status}", status["desired"]["replicas"] >= 2 and status["stage"])
    check("the scale is not written", not stack.writes("/deployments/mail/scale"))
    stack.cluster.objects.delete(stack.cluster.kind("horizontalpodautoscalers"), NAMESPACE, "mail")
    wait("without it the workload is scaled", lambda: stack.replicas("mail") > 2, 30)


def keda(stack):
    """KEDA reads the recommendation: it is aware's hand, not a conflict."""
    application(stack, "feed", 80)
    stack.create("deployments", deployment("feed", 2, annotations={"aware.dev/mode": "horizontal"}))
    url = stack.url(f"/v1/applications/{NAMESPACE}.feed/recommendation?format=keda")
    stack.create("scaledobjects", {"metadata": {"name": "feed"}, "spec": {"scaleTargetRef": {"name": "feed"}, "triggers": [
        {"type": "metrics-api", "metadata": {"url": url, "valueLocation": "desiredReplicas", "targetValue": "1"}}]}})
    wait("KEDA gets a number that grows", lambda: (stack.get(url) or {}).get("desiredReplicas", 0) > 2, 40)
    check("aware does not write the scale", not stack.writes("/deployments/feed/scale"))
    answer = subprocess.run(["curl", "-s", "-X", "POST", stack.url(f"/v1/applications/{NAMESPACE}.feed/recommender"), "-H",
                             "Content-Type: application/json", "-d", '{"constraints": {"minReplicas": 1, "maxReplicas": 3}}'],
                            capture_output=True, text=True).stdout
    check(f"Datadog's protocol is answered within its constraints: {answer}", json.loads(answer)["targetReplicas"] == 3)


def faults(stack):
    """Each fault ends in a correct state; nothing is taken away on bad data."""
    stack.annotate("web", mode="horizontal")
    before = {name: stack.replicas(name) for name in ("web", "cart", "mail")}

    def kept():
        for name, count in before.items():
            check(f"{name} was not scaled down: {count} to {stack.replicas(name)}", stack.replicas(name) >= count)

    # Metrics die in three ways.
    stack.world.is_silent = True
    time.sleep(6)
    kept()
    stack.world.is_silent = False
    stack.world.is_frozen = True
    time.sleep(6)
    kept()
    stack.world.is_frozen = False
    stack.prometheus.send_signal(signal.SIGSTOP)
    time.sleep(4)
    stack.prometheus.send_signal(signal.SIGCONT)
    kept()
    # aware dies: the local rules act, and only add.
    stack.aware.kill()
    stack.aware.wait()
    stack.world.applications[(NAMESPACE, "mail")].rate = steady(200)
    low = stack.replicas("mail")
    wait("the local rules add", lambda: stack.replicas("mail") > low, 30)
    kept()
    stack.start_aware()
    count = len(stack.decisions(f"{NAMESPACE}.mail"))
    wait("aware decides again", lambda: len(stack.decisions(f"{NAMESPACE}.mail")) > count, 20)
    # The API server: errors, lost history, broken watches, another writer, away.
    for fault in ([429, 6], [500, 6], [503, 6]):
        stack.cluster.faults.answers.append(list(fault))
    stack.cluster.objects.compact()
    stack.cluster.faults.is_breaking_watches = True
    time.sleep(3)
    stack.cluster.faults.is_breaking_watches = False
    stack.cluster.faults.is_down = True
    time.sleep(4)
    stack.cluster.faults.is_down = False
    stack.annotate("web", mode="off")
    # What changed while nobody could watch is noticed, at the latest after the longest pause between two tries.

    def has_left():
        count = len(stack.decisions(f"{NAMESPACE}.web"))
        time.sleep(5)
        return len(stack.decisions(f"{NAMESPACE}.web")) == count

    wait("the workload left, and is left alone", has_left, 70)
    count = len(stack.decisions(f"{NAMESPACE}.mail"))
    wait("the others go on", lambda: len(stack.decisions(f"{NAMESPACE}.mail")) > count + 1, 20)
    kept()
    ids = [decision["id"] for decision in stack.decisions(f"{NAMESPACE}.mail")]
    check("no decision is there twice", len(ids) == len(set(ids)))


def leader(stack):
    """The leader is killed: the other one acts within 20 s, and nobody acts before."""
    stack.recommenders[-1].send_signal(signal.SIGTERM)
    stack.recommenders[-1].wait(15)
    first = stack.start_recommender("--lease", f"{NAMESPACE}/aware-recommender", name="first")
    lease = lambda: (stack.cluster.objects.items.get(("leases", NAMESPACE, "aware-recommender")) or {}).get("spec", {})
    wait("one leads", lambda: lease().get("holderIdentity"), 20)
    second = stack.start_recommender("--lease", f"{NAMESPACE}/aware-recommender", name="second")
    time.sleep(3)
    holder = lease()["holderIdentity"]
    killed = time.time()
    first.kill()
    wait("the other one leads", lambda: lease().get("holderIdentity") not in ("", holder), 20)
    count = len(stack.decisions(f"{NAMESPACE}.mail"))
    wait("and acts", lambda: len(stack.decisions(f"{NAMESPACE}.mail")) > count, 20 - (time.time() - killed))
    print(f"    hand-over after {time.time() - killed:.1f} s")
    second.send_signal(signal.SIGTERM)
    check("a recommender that is told to end does so well", second.wait(15) == 0)
    check("and gives its lease back", lease().get("holderIdentity") == "")


def guide(stack):
    """The commands of the guide, as a person types them."""
    if not shutil.which("kubectl"):
        print("    kubectl is not here: skipped")
        return
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "deploy", "kubernetes")
    with open(os.path.join(folder, "README.md")) as file:
        lines = [line.strip() for line in file if line.startswith(("kubectl annotate", "kubectl aware"))]
    check(f"the guide has commands: {lines}", len(lines) >= 6)
    stack.update("deployments", "web", lambda item: item["metadata"].update({"annotations": {}}))
    environment = {**os.environ, "KUBECONFIG": stack.kubeconfig + "-admin", "KUBECTL_SKIP_DISPATCH": "1", "AWARE_URL": stack.url(""),
                   "PATH": os.path.abspath(folder) + ":" + os.environ["PATH"]}
    for line in lines:
        # The plug-in by its own name: not every kubectl looks for plug-ins.
        done = subprocess.run(line.replace("kubectl aware", "kubectl-aware"), shell=True, capture_output=True, text=True,
                              env=environment, timeout=30)
        check(f"{line}: {done.stdout}{done.stderr}", done.returncode == 0)
    check("and the workload is out again",
          stack.object("deployments", "web")["metadata"]["annotations"]["aware.dev/mode"] == "off")


def replay(stack):
    """A workload's past in a real Prometheus is replayed: every query has an answer, and the model is the workload."""
    said = history.replayed(stack.aware_binary, stack.folder, free_port())
    model = said["model"]
    check(f"12 ms of CPU a request: {model}", abs(model["cpuSecondsPerRequest"] / history.WORK - 1) < 0.02)
    rows = {row["name"]: row for row in said["rows"]}
    check(f"rows: {sorted(rows)}", len(rows) == 7)
    measured, modelled = rows["yours, as measured"], rows["yours, in the model"]
    check("two pods of a core for a day", abs(measured["coreHoursPerDay"] - 48) < 0.5)
    check("the model says the same", abs(measured["billPerDay"] / modelled["billPerDay"] - 1) < 0.02)


def sharded(stack):
    """Two servers behind nginx: each application's observation goes to the server that has it."""
    if not shutil.which("nginx"):
        print("    skipped: there is no nginx here")
        return
    for index in range(8):
        stack.create("deployments", deployment(f"shard-{index}", 1, annotations={"aware.dev/mode": "shadow"}))
    folder, second, proxy = f"{stack.folder}/sharded", free_port(), free_port()
    os.makedirs(folder)
    stack.start("second", [stack.aware_binary, "serve", "--listen", f"127.0.0.1:{second}", "--data", f"{folder}/data"])
    wait("the second server is ready", lambda: stack.get(f"http://127.0.0.1:{second}/readyz") is not None, 20)
    with open(f"{folder}/nginx.conf", "w") as file:
        subprocess.run(["deploy/sharding/proxy", "nginx", "--listen", f"127.0.0.1:{proxy}", f"127.0.0.1:{stack.aware_port}",
                        f"127.0.0.1:{second}"], check=True, stdout=file)
    stack.start("nginx", ["nginx", "-p", folder, "-c", "nginx.conf", "-g", "daemon off;"])
    time.sleep(3)
    done = subprocess.run(
        [stack.aware_binary, "recommend", "--server", f"http://127.0.0.1:{proxy}", "--prometheus", f"http://127.0.0.1:{stack.prometheus_port}",
         "--kubeconfig", stack.kubeconfig, "--once", "--listen", "none"], capture_output=True, text=True, timeout=120)
    there = stack.get(f"http://127.0.0.1:{second}/v1/applications?limit=500")["items"]
    there = {item["name"]: item["decisions"] for item in there}
    names = {f"{NAMESPACE}.shard-{index}" for index in range(8)}
    check(f"some of the applications are on the second server: {there} {done.stdout[-500:]} {done.stderr[-500:]}", 0 < len(names & set(there)) < 8)
    check(f"each of them has decided: {there}", all(count >= 1 for count in there.values()))
    check(f"the others have decided on the first: {names - set(there)}", all(stack.decisions(name) for name in names - set(there)))


def thousand(stack):
    """1,000 workloads: at most 2 s of CPU and 8 queries an interval."""
    stack.create("deployments", deployment("many-0", 1, annotations={"aware.dev/mode": "shadow"}))
    for index in range(1, 1000):
        stack.create("deployments", deployment(f"many-{index}", 1, annotations={"aware.dev/mode": "shadow"}))
    time.sleep(20)
    done = subprocess.run(
        [stack.aware_binary, "recommend", "--server", stack.url(""), "--prometheus", f"http://127.0.0.1:{stack.prometheus_port}",
         "--kubeconfig", stack.kubeconfig, "--once", "--listen", "none"], capture_output=True, text=True, timeout=300)
    print("    " + "\n    ".join(line for line in done.stdout.splitlines() if not line.startswith("#")))
    queries = next(line for line in done.stdout.splitlines() if line.startswith("aware_recommend_prometheus_queries"))
    check(queries, int(queries.split()[1]) <= 8)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--aware", required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--all", action="store_true", help="with 1,000 workloads")
    arguments = parser.parse_args()
    if not shutil.which("prometheus"):
        print("cluster tests: skipped, there is no prometheus here (apt-get install prometheus)")
        return
    tests = [kubectl_and_the_double, shadow, horizontal, both, vertical, conflicts, keda, guide, replay, sharded, faults, leader]
    if arguments.all:
        tests.append(thousand)
    with Stack(os.path.abspath(arguments.aware)) as stack:
        stack.start_prometheus()
        stack.start_aware()
        stack.start_recommender()
        for test in tests:
            if arguments.only and test.__name__ not in arguments.only.split(","):
                continue
            began = time.time()
            try:
                test(stack)
            except Failed as failure:
                print(f"✘ {test.__name__}: {failure}")
                for name in ("recommend", "aware"):
                    print(f"--- {name}\n{stack.log(name)[-3000:]}")
                sys.exit(1)
            print(f"✔ {test.__name__} ({time.time() - began:.1f} s): {test.__doc__.splitlines()[0]}", flush=True)
    print("cluster tests: all passed")


if __name__ == "__main__":
    main()
