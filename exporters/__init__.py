"""How it is: exporters that turn devices and paths into Prometheus metrics. They import only `inventory`."""
