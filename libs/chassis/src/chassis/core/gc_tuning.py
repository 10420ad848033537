"""How often the interpreter looks for cycles.

A service under load makes hundreds of objects for each event and almost no cycles: reference counts free what it makes.
Collections as Python begins them, each 700 objects and all of those in turn that modules, models and statements left,
took a sixth of the services' processor (``bench/README.md``).
"""

import gc

YOUNG = 10_000
"""How many more objects are made than freed before the youngest are looked at."""
OLDER = 5
"""Collections of one generation before the next is looked at too. With both, a quarter of a million objects in cycles,
some forty megabytes, is the most that waits for a look at everything: the console's pages leave such cycles."""


def collect_rarely() -> None:
    """To be called once a process has loaded what it needs: that is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, OLDER, OLDER)
