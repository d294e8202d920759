# SPDX-License-Identifier: MIT
"""Which form of a test to run that has a short one and a long one."""

import os

LONG = "full" in (os.environ.get("VPH_LONG"), os.environ.get("VPH_STRESS"))
