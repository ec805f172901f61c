"""Fleet exporter: what is neither polled nor probed, as Prometheus metrics. First collector: the deployments of infra/.

Reads files that other parts of the system leave behind and never imports those parts: a NOC runs, and this exporter
with it, where nobody has ever installed Pulumi.
"""
