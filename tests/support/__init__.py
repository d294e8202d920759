# SPDX-License-Identifier: MIT
"""What the tests share: the protocol in Python, and helpers started as child processes."""
