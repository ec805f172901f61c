"""Prober: round-trip time, loss and jitter of every session and device, and who is up, as Prometheus metrics.

One ICMP socket and one UDP socket serve all targets. A lost probe is confirmed by quick re-probes before anything is
called down, and a suspicion spreads to the neighbours that share the same site, carrier or hub.
"""
