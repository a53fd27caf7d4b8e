"""Holds every packet between two TUN devices back for a while: this kernel has no netem.

    long-link.py DEVICE OTHER-DEVICE MILLISECONDS SLACK LOST

LOST is how many of a million packets get lost on the way from the second to the first, one at a time and at random.
The devices are there as long as it runs, and are its caller's to put where they belong. Their rate is tbf's business.
Prints "ready" when both are there, and "late SECONDS" where packets were held back for longer than that by more than
SLACK milliseconds: this program has the processor before all others, so that the machine itself stood still.
"""

import collections
import fcntl
import os
import random
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000
LARGEST_PACKET = 65535
PACKETS_A_TURN = 64


def device(name):
    file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(file, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return file


def receive(source, waiting, delay, is_lost):
    for _ in range(PACKETS_A_TURN):
        try:
            packet = os.read(source, LARGEST_PACKET)
        except BlockingIOError:
            return
        if not is_lost():
            waiting.append((time.monotonic() + delay, packet))


class Watch:
    """Of packets that are late together, the first tells for how long nothing ran."""

    def __init__(self, slack):
        self.slack = slack
        self.ran_at = 0.0

    def sees(self, due, now):
        late = now - max(due, self.ran_at)
        self.ran_at = now
        if late > self.slack:
            print(f"late {late:.4f}", flush=True)


def send(waiting, target, watch):
    while waiting and waiting[0][0] <= (now := time.monotonic()):
        due, packet = waiting.popleft()
        watch.sees(due, now)
        try:
            os.write(target, packet)
        except OSError:
            # Its device is down, or full: a network loses packets.
            pass


def main():
    one, other = device(sys.argv[1]), device(sys.argv[2])
    delay = int(sys.argv[3]) / 1000
    watch = Watch(float(sys.argv[4]) / 1000)
    lost = int(sys.argv[5])
    # The same ones each time.
    chance = random.Random(lost)
    directions = [
        (one, collections.deque(), other, lambda: False),
        (other, collections.deque(), one, lambda: chance.randrange(1_000_000) < lost),
    ]
    print("ready", flush=True)
    while True:
        due = [waiting[0][0] for _, waiting, _, _ in directions if waiting]
        timeout = max(0, min(due) - time.monotonic()) if due else None
        readable, _, _ = select.select([one, other], [], [], timeout)
        for source, waiting, target, is_lost in directions:
            if source in readable:
                receive(source, waiting, delay, is_lost)
            send(waiting, target, watch)


main()
