"""What the exporters (`exporters.snmp`, `exporters.probes`, `exporters.fleet`) share: serving HTTP, targets, deadlines.

Nothing here knows about SNMP, probes or deployments; it imports none of them.
"""
