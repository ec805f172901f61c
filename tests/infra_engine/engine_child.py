"""Starts a Pulumi programme in this process the way the engine's language host does; written from its command line.

Not a test: `test_engine_child.py` starts it with the addresses of a resource monitor and an engine of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import runpy
import sys

import pulumi
import pulumi.runtime
from pulumi.runtime.config import get_config_env, get_config_secret_keys_env

parser = argparse.ArgumentParser()
for option in ("project", "stack", "parallel", "dry_run", "pwd", "monitor", "engine", "organization", "root_directory"):
    parser.add_argument(f"--{option}")
parser.add_argument("program")
given = parser.parse_args()

pulumi.runtime.set_all_config(get_config_env(), get_config_secret_keys_env())
pulumi.runtime.configure(
    pulumi.runtime.Settings(
        project=given.project,
        stack=given.stack,
        parallel=int(given.parallel),
        dry_run=given.dry_run == "true",
        monitor=given.monitor,
        engine=given.engine,
        organization=given.organization,
    )
)
os.chdir(given.pwd)
logging.getLogger("asyncio").setLevel(logging.CRITICAL)
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
code = 1
try:
    run = pulumi.runtime.run_in_stack(lambda: runpy.run_path(given.program, run_name="__main__"))
    loop.run_until_complete(run)
    code = 0
except pulumi.RunError as error:
    pulumi.log.error(str(error))
finally:
    loop.close()
sys.exit(code)
