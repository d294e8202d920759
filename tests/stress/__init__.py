# SPDX-License-Identifier: MIT
"""What only load or a race brings out."""
