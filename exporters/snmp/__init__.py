"""SNMP exporter: turns an agent's variables into Prometheus metrics, in snmp_exporter's conventions.

Reading order: `message` (the wire), `config` and `loader` (what to read), `discovery` (which instances
exist), `plan` and `layout` (the hot path), `path` and `conversation` (how requests travel), `engine`,
`server`.
"""
