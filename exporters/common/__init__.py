"""What both exporters (`exporters.snmp`, `exporters.probes`) share: serving HTTP, targets, deadlines.

Nothing here knows about SNMP or probes; it imports neither of them.
"""
