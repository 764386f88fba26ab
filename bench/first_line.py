"""The step after the click: it notes when its first line was reached."""

import time

reached = 0.0


async def note():
    global reached  # noqa: PLW0603 - the one thing that this module is for
    reached = time.perf_counter()
