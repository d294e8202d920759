# SPDX-License-Identifier: MIT
"""What a thread of the worker may have, as proc_pid_status(5) shows it."""

# CHOWN, DAC_OVERRIDE, FOWNER, FSETID, SETGID, SETUID, MKNOD: their numbers in capabilities(7)
SEVEN = sum(1 << number for number in (0, 1, 3, 4, 6, 7, 27))
DAC_OVERRIDE = 1 << 1


def assert_seven(fields):
    """The seven are permitted and effective, and there is no way to more."""
    for kind, expected in (("Prm", SEVEN), ("Eff", SEVEN), ("Bnd", 0), ("Inh", 0), ("Amb", 0)):
        assert int(fields[f"Cap{kind}"], 16) == expected, f"Cap{kind} is {fields[f'Cap{kind}']}"
    assert fields["NoNewPrivs"] == "1"
