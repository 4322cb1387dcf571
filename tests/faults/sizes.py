"""How much is thrown at the product, in one table: what the suite can afford, or everything with ``FULL=1``.

``FULL=0.2`` goes a fifth of the way. ``FAULT_SEED`` changes every draw.
"""

import os

SHARE = float(os.environ.get("FULL") or 0)
SEED = int(os.environ.get("FAULT_SEED", "20260303"))
FIRST_YEAR = 2026  # of the changes of clock of a full run

# name: (in the suite, full)
SIZES: dict[str, tuple[int, int]] = {
    "kills": (100, 500),  # of processes of real workers
    "kill_messages": (2_000, 20_000),
    "mail_kills": (10, 200),  # while e-mails leave
    "mail_messages": (400, 10_000),
    "postgres_crashes": (2, 10),
    "broker_failures": (2, 12),
    "outage_messages": (1_500, 10_000),
    "race_campaigns": (4, 50),
    "race_people": (16, 64),  # who press the same button at once
    "stop_messages": (1_200, 20_000),
    "stops": (600, 10_000),
    "poison_messages": (500, 5_000),
    "presses": (6, 50),  # of the stop button
    "receipts": (1_500, 60_000),
    "webhook_bodies": (2_400, 100_000),
    "import_lines": (20_000, 200_000),
    "window_instants": (20_000, 200_000),
    "last_scheduler_year": (2027, 2036),
    "machine_runs": (50, 250),  # lives of a campaign drawn by hypothesis
    "machine_steps": (30, 50),
}


def size_of(name: str) -> int:
    suite, full = SIZES[name]
    return suite + round((full - suite) * SHARE)


def size_of_suite(name: str) -> int:
    return SIZES[name][0]
