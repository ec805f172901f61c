"""The NOC as it runs in Azure: container image, Kubernetes manifests, Grafana dashboards, and what puts them there."""
