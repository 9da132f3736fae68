"""The Kubernetes manifests agree with each other: selectors, network policies, accounts and claims."""

import pytest

from tests.deployment import manifests as m

DATABASE_LABELS = {"maquette/uses-database", "maquette/uses-store", "maquette/uses-queue"}


@pytest.mark.parametrize("manifests", m.by_root())
def test_selectors_find_their_pods(manifests: list[m.Data]) -> None:
    labels = [actual for _, actual, _ in m.pods(manifests)]
    for manifest in manifests:
        spec = manifest.get("spec", {})
        if manifest["kind"] == "Service":
            hit = [s for _, actual, s in m.pods(manifests) if spec["selector"].items() <= actual.items()]
            assert len(hit) == 1, m.named(manifest)
            ports = {p["name"] for container in hit[0]["containers"] for p in container["ports"]}
            assert {port["targetPort"] for port in spec["ports"]} <= ports
        if manifest["kind"] in ("Deployment", "StatefulSet"):
            assert m.covers(spec["selector"], spec["template"]["metadata"]["labels"]), m.named(manifest)
            assert sum(m.covers(spec["selector"], actual) for actual in labels) == 1, m.named(manifest)
        if manifest["kind"] == "PodDisruptionBudget":
            assert sum(m.covers(spec["selector"], actual) for actual in labels) == 1, m.named(manifest)


def policies(manifests: list[m.Data]) -> list[m.Data]:
    return [manifest for manifest in manifests if manifest["kind"] == "NetworkPolicy"]


@pytest.mark.parametrize("root", m.ROOTS)
def test_network_policies_select_pods_that_exist(root: str) -> None:
    manifests = m.rendered(m.K8S / root)
    here = manifests if root in m.OVERLAYS else manifests + m.rendered(m.K8S / "base")
    labels = [actual for _, actual, _ in m.pods(here)]
    actual = policies(manifests)
    assert actual
    for policy in actual:
        peers = [policy["spec"]["podSelector"]]
        for rule in policy["spec"].get("ingress", []) + policy["spec"].get("egress", []):
            assert rule["ports"], m.named(policy)
            peers += [
                p["podSelector"] for p in rule.get("from", []) + rule.get("to", []) if "podSelector" in p
            ]
        for selector in peers:
            assert any(m.covers(selector, pod) for pod in labels), m.named(policy)


@pytest.mark.parametrize("root", m.OVERLAYS)
def test_network_traffic_is_denied_by_default(root: str) -> None:
    actual = policies(m.rendered(m.K8S / root))
    deny = next(policy for policy in actual if policy["metadata"]["name"] == "default-deny")
    assert deny["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for policy in actual:
        for rule in policy["spec"].get("ingress", []):
            assert rule["from"], f"{m.named(policy)} is open to everyone"


@pytest.mark.parametrize("root", m.OVERLAYS)
def test_gateway_and_workers_reach_queue_database_and_store(root: str) -> None:
    manifests = m.rendered(m.K8S / root)
    egress = [policy["spec"] for policy in policies(manifests) if "Egress" in policy["spec"]["policyTypes"]]
    store = 9000 if root.endswith("dev") else 443
    judged = 0
    for name, labels, spec in m.pods(manifests):
        if not spec["containers"][0]["image"].startswith("maquette/") or name == "Job/migrate":
            continue
        # the check asks nothing of the queue
        queue = set() if name == "CronJob/storage-check" else {6379}
        open_ports = {
            port["port"]
            for rules in egress
            if m.covers(rules["podSelector"], labels)
            for rule in rules.get("egress", [])
            for port in rule["ports"]
        }
        assert open_ports >= {53, 5432, store} | queue, name
        assert set(labels) >= (DATABASE_LABELS if queue else DATABASE_LABELS - {"maquette/uses-queue"})
        judged += 1
    assert judged == 6


@pytest.mark.parametrize("manifests", m.by_root())
def test_accounts_exist_and_have_no_token(manifests: list[m.Data]) -> None:
    accounts = {a["metadata"]["name"]: a for a in manifests if a["kind"] == "ServiceAccount"}
    assert all(account["automountServiceAccountToken"] is False for account in accounts.values())
    assert {spec["serviceAccountName"] for _, _, spec in m.pods(manifests)} <= set(accounts)


@pytest.mark.parametrize("root", m.ROOTS)
def test_claims_exist(root: str) -> None:
    manifests = m.rendered(m.K8S / root)
    here = manifests if root in m.OVERLAYS else manifests + m.rendered(m.K8S / "base")
    claims = {c["metadata"]["name"] for c in here if c["kind"] == "PersistentVolumeClaim"}
    for name, _, spec in m.pods(manifests):
        for volume in spec.get("volumes", []):
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims, name
