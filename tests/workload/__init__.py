# SPDX-License-Identifier: MIT
"""Random requests of many clients, with a model of the tree that each works in. Who uses it puts tests/ into the path."""
