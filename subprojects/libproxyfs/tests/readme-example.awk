# SPDX-License-Identifier: MIT
# Prints the C example number `wanted` of a Markdown file, so that the build compiles it.
/^```c$/ { number++; inside = 1; next }
/^```$/ { inside = 0 }
inside && number == wanted
