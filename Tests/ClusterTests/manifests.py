"""The manifests: rendered by kubectl, validated for several versions of Kubernetes, and true to the program."""

import json
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
VERSIONS = ["1.33", "1.34", "1.35", "1.36", "1.37"]


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit(f"✘ {' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def metrics_are_real():
    """Every metric of alerts and dashboard is one that the program has."""
    sources = "".join(path.read_text() for folder in ("API", "Recommender") for path in (ROOT / "Sources" / folder).rglob("*.swift"))
    texts = (KUBERNETES / "monitoring" / "rules.yaml").read_text() + (KUBERNETES / "monitoring" / "dashboard.json").read_text()
    json.loads((KUBERNETES / "monitoring" / "dashboard.json").read_text())
    for name in sorted(set(re.findall(r"\baware_[a-z_]+", texts))):
        bare = re.sub(r"_(bucket|sum|count)$", "", name)
        short = bare.removeprefix("aware_recommend_")
        if f'"{bare}"' not in sources and f'"{short}"' not in sources:
            sys.exit(f"✘ there is no metric {name}")
    print("✔ every metric of alerts and dashboard exists")


def manifests_are_valid():
    if not shutil.which("kubectl"):
        return print("  kubectl is not here: manifests are not rendered")
    for overlay in ("shadow", "vertical", "both"):
        rendered = run("kubectl", "kustomize", str(KUBERNETES / "overlays" / overlay), env={"PATH": "/usr/bin:/bin:/usr/local/bin", "KUBECTL_SKIP_DISPATCH": "1", "HOME": "/tmp"})
        if ("deployments/scale" in rendered or "pods/resize" in rendered) != (overlay == "both"):
            sys.exit(f"✘ the overlay {overlay} has the wrong rights")
        if shutil.which("kubernetes-validate"):
            for version in VERSIONS:
                run("kubernetes-validate", "--strict", "-k", version, "-", input=rendered)
    print("✔ the overlays render, and are valid for Kubernetes " + (", ".join(VERSIONS) if shutil.which("kubernetes-validate") else
          "as far as nobody looks: there is no kubernetes-validate here (pip install kubernetes-validate)"))


def rules_are_valid():
    if not shutil.which("promtool"):
        return print("  promtool is not here: rules are not checked")
    run("promtool", "check", "rules", str(KUBERNETES / "monitoring" / "rules.yaml"))
    print("✔ promtool takes the rules")


if __name__ == "__main__":
    metrics_are_real()
    manifests_are_valid()
    rules_are_valid()
