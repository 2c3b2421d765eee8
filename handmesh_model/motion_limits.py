"""What no hand and no clock does from one image to the next: something else was seen then."""

MAX_SPEED = 4.0
"""Metres a second; a hand that is said to move faster was seen wrongly."""
MAX_TURN_SPEED = 30.0
"""Radians a second of a wrist, likewise; the shipped network stays below 16 on the demo clip."""
JUMP_BACK = 1.0
"""Seconds back from which on time itself has jumped, as when a recording starts over; less is one
message being late."""
