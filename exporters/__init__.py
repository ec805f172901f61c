"""How it is: devices, paths and deployments into Prometheus metrics. They import only `inventory`."""
