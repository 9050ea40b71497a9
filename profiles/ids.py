import random
import time
import uuid


def uuid7(milliseconds: int | None = None) -> uuid.UUID:
    """Return a UUID that sorts by time (RFC 9562 section 5.7)."""
    moment = time.time_ns() // 1_000_000 if milliseconds is None else milliseconds
    number = (moment << 80) | random.getrandbits(80)
    number = number & ~(0xF << 76) | 0x7 << 76
    return uuid.UUID(int=number & ~(0x3 << 62) | 0x2 << 62)
