# SPDX-License-Identifier: MIT
"""Our helper beside QEMU's own: the same requests to both, and each known defect of the old one shown on it."""
